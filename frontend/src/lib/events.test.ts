import { describe, expect, test } from 'vitest'
import { ApiError, type Asked } from './api'
import { follow, messages } from './events'
import { nothingYet, take } from './live'
import type { JobEvent } from './types'

/** A stream that comes in the given pieces, then closes or breaks. */
function stream(pieces: string[], broken = false): Response {
  const encoder = new TextEncoder()
  let next = 0
  return new Response(
    new ReadableStream({
      pull(controller) {
        if (next < pieces.length) controller.enqueue(encoder.encode(pieces[next++]))
        else if (broken) controller.error(new TypeError('network error'))
        else controller.close()
      },
    }),
  )
}

const line = (id: number, event: string, data: object = {}) => `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of source) found.push(item)
  return found
}

describe('messages', () => {
  test('are whole wherever the pieces are cut', async () => {
    const text = `: hello\r\n\r\n${line(1, 'Note', { text: 'á' })}${line(2, 'Note', { text: 'b' })}id: 3\ndata: 1\ndata: 2\n\n`
    for (const size of [1, 2, 7, 1000]) {
      const pieces = text.match(new RegExp(`[^]{1,${size}}`, 'g'))!
      const found = await all(messages(stream(pieces)))
      expect(found).toEqual([
        { id: 1, event: 'Note', data: '{"text":"á"}' },
        { id: 2, event: 'Note', data: '{"text":"b"}' },
        { id: 3, event: 'message', data: '1\n2' },
      ])
    }
  })
})

describe('a job that is followed', () => {
  const patience = { first: 1, most: 4 }

  test('goes on after the last event when the connection breaks, and ends with the job', async () => {
    const asked: (string | null)[] = []
    const answers = [
      () => stream([line(1, 'StageStarted', { stage: 'features' }), line(2, 'Note', { text: 'x' })], true),
      () => {
        throw new ApiError(503, 'busy', 'later')
      },
      () => stream([line(2, 'Note', { text: 'x' }), line(3, 'JobEnded', { state: 'done', problem: '', model: 'm' })]),
    ]
    const connections: boolean[] = []
    const ask = (_path: string, { headers }: Asked = {}) => {
      asked.push(new Headers(headers).get('Last-Event-ID'))
      return Promise.resolve().then(answers.shift()!)
    }
    const found = await all(follow('j', { ask, patience, onconnection: (connected) => connections.push(connected) }))
    expect(found.map(({ id, event }) => [id, event.event])).toEqual([
      [1, 'StageStarted'],
      [2, 'Note'],
      [3, 'JobEnded'],
    ])
    expect(asked).toEqual([null, '2', '2'])
    expect(connections).toEqual([true, false, false, true])
  })

  test('that is not there is an error, not a long wait', async () => {
    const ask = () => Promise.reject(new ApiError(404, 'no-job', 'there is no such job'))
    await expect(all(follow('j', { ask, patience }))).rejects.toThrow('there is no such job')
  })

  test('can be left', async () => {
    const leaving = new AbortController()
    const ask = () => Promise.resolve(stream([line(1, 'Note', { text: 'x' })]))
    const found: number[] = []
    for await (const { id } of follow('j', { ask, patience, signal: leaving.signal })) {
      found.push(id)
      leaving.abort()
    }
    expect(found).toEqual([1])
  })
})

describe('a live run', () => {
  const run = (events: JobEvent[]) => {
    const starts = new Map<string, { time: number; done: number }>()
    return events.reduce((state, event, index) => take(state, index + 1, event, starts), nothingYet())
  }
  const progress = (time: number, done: number, reused = 0): JobEvent => ({ event: 'Progress', stage: 'features', time, done, total: 100, reused })
  const epoch = (number: number, loss: number): JobEvent => ({
    event: 'EpochDone',
    time: 0,
    epoch: number,
    epochs: 50,
    loss,
    accuracy: 0.5,
    validation_loss: null,
    validation_accuracy: null,
    learning_rate: null,
  })

  test('tells rate and time left without what was in the cache', () => {
    const state = run([{ event: 'StageStarted', time: 0, stage: 'features', detail: '' }, progress(10, 50, 40), progress(12, 60, 40)])
    expect(state.progress).toEqual({ done: 60, total: 100, reused: 40, rate: 5, secondsLeft: 8 })
  })

  test('draws each epoch once, though the run was taken up again', () => {
    const state = run([epoch(1, 3), epoch(2, 2), epoch(2, 2.5), epoch(3, 1)])
    expect(state.points.map(({ x, loss }) => [x, loss])).toEqual([
      [1, 3],
      [2, 2.5],
      [3, 1],
    ])
    expect(state.epochs).toBe(50)
  })

  test('keeps why it ended', () => {
    const state = run([{ event: 'JobEnded', time: 1, state: 'failed', problem: 'a sentence', problem_code: 'leakage', model: null }])
    expect(state.ended).toEqual({ state: 'failed', problem: 'a sentence', code: 'leakage', model: null })
  })
})
