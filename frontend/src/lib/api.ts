/** Talking to the service: typed JSON, problems as errors with a sentence, one place for headers. Free of the framework. */

import type { Language, Problem } from './types'

export const BASE = '/api/v1'

/** What went wrong, as the service or the network said it. `code` is "offline" when no answer came. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly about?: string,
    readonly headers?: Headers,
  ) {
    super(detail)
  }
}

let language: Language = 'en'
/** The language of every sentence the service answers with. */
export function speak(chosen: Language): void {
  language = chosen
}

export const spoken = (): Language => language

/** Tells who wants to know: "answered", "offline" (no answer came) and "signed-out" (401). */
export const reach = new EventTarget()
const tell = (what: 'answered' | 'offline' | 'signed-out') => reach.dispatchEvent(new Event(what))

export interface Asked extends Omit<RequestInit, 'body'> {
  json?: unknown
  body?: BodyInit
}

/** One request; throws ApiError for a problem or when no answer comes. The caller reads the body. */
export async function ask(path: string, { json, headers, ...rest }: Asked = {}): Promise<Response> {
  const sent = new Headers(headers)
  sent.set('Accept-Language', language)
  // No other site can add this header without the service's consent, so it tells the page's own requests from forged ones.
  sent.set('X-Deephealth', '1')
  if (json !== undefined) sent.set('Content-Type', 'application/json')
  let answer: Response
  try {
    const body = json !== undefined ? JSON.stringify(json) : rest.body
    answer = await fetch(path.startsWith('/') && !path.startsWith(BASE) ? BASE + path : path, { credentials: 'same-origin', ...rest, headers: sent, body })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    tell('offline')
    throw new ApiError(0, 'offline', error instanceof Error ? error.message : String(error))
  }
  tell(answer.status === 401 ? 'signed-out' : 'answered')
  if (!answer.ok) throw await problem(answer)
  return answer
}

/** One request whose answer is JSON (undefined for 204). */
export async function call<T>(path: string, asked: Asked = {}): Promise<T> {
  const answer = await ask(path, asked)
  return (answer.status === 204 ? undefined : await answer.json()) as T
}

async function problem(answer: Response): Promise<ApiError> {
  let found: Partial<Problem> = {}
  try {
    found = (await answer.json()) as Problem
  } catch {
    // A proxy's own page: the status has to do.
  }
  return new ApiError(answer.status, found.code ?? `http-${answer.status}`, found.detail ?? answer.statusText, found.about, answer.headers)
}
