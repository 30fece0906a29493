/** The events of a job as they happen, from the first or from where one was; reconnects by itself. Free of the framework. */

import { ApiError, ask as askService, type Asked } from './api'
import type { JobEvent } from './types'

export interface FollowOptions {
  /** The number of the last event already known; 0 for none. */
  after?: number
  ask?(path: string, asked?: Asked): Promise<Response>
  /** Milliseconds before a new connection: first, then doubled up to the most. */
  patience?: { first: number; most: number }
  /** No answer came, or an answer came again. */
  onconnection?(connected: boolean): void
  signal?: AbortSignal
}

/** Every event of a job in order, with its number; ends after "JobEnded". Throws ApiError where waiting cannot help, such as 404. */
export async function* follow(job: string, options: FollowOptions = {}): AsyncGenerator<{ id: number; event: JobEvent }> {
  const { ask = askService, patience = { first: 1000, most: 15_000 }, signal, onconnection } = options
  let last = options.after ?? 0
  for (let failures = 0; ; ) {
    try {
      const headers: Record<string, string> = { Accept: 'text/event-stream', ...(last ? { 'Last-Event-ID': String(last) } : {}) }
      const answer = await ask(`/jobs/${job}/events`, { headers, signal: signal ?? null, cache: 'no-store' })
      onconnection?.(true)
      for await (const { id, event, data } of messages(answer)) {
        failures = 0
        if (id <= last) continue
        last = id
        const parsed = { ...(JSON.parse(data) as object), event } as JobEvent
        yield { id, event: parsed }
        if (parsed.event === 'JobEnded') return
      }
    } catch (error) {
      if (signal?.aborted) return
      if (error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429) throw error
    }
    if (signal?.aborted) return
    onconnection?.(false)
    await sleep(Math.min(patience.first * 2 ** failures, patience.most), signal)
    failures += 1
  }
}

interface Message {
  id: number
  event: string
  data: string
}

/** The messages of a stream of server-sent events, as https://html.spec.whatwg.org/multipage/server-sent-events.html has them. */
export async function* messages(answer: Response): AsyncGenerator<Message> {
  if (!answer.body) return
  const reader = answer.body.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  let message: Message = { id: 0, event: 'message', data: '' }
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      rest += decoder.decode(value, { stream: true })
      const lines = rest.split(/\r\n|\n|\r(?!$)/)
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (line) {
          read(line, message)
        } else {
          if (message.data) yield message
          message = { id: message.id, event: 'message', data: '' }
        }
      }
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

function read(line: string, message: Message): void {
  const colon = line.indexOf(':')
  const field = colon < 0 ? line : line.slice(0, colon)
  const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
  if (field === 'data') message.data += (message.data ? '\n' : '') + value
  else if (field === 'event') message.event = value
  else if (field === 'id') message.id = Number(value) || message.id
}

function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds)
    signal?.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
  })
}
