import { afterEach, describe, expect, test } from 'vitest'
import { ApiError, type Asked } from './api'
import type { Added, Upload } from './types'
import { UploadQueue } from './upload'

/** A service in memory that keeps what arrives and fails as it is told. */
class Service {
  films: { group: string; name: string; bytes: number }[] = []
  uploads = new Map<string, { group: string; name: string; bytes: number; parts: Blob[] }>()
  keys = new Map<string, Added>()
  requests: string[] = []
  inFlight = 0
  most = 0
  /** Called before a request is taken, and after it was: a throw afterwards is an answer that got lost. */
  before: (path: string, asked: Asked) => void | Promise<void> = () => {}
  after: (path: string, asked: Asked) => void = () => {}

  ask = async (path: string, asked: Asked = {}): Promise<Response> => {
    this.requests.push(`${asked.method ?? 'GET'} ${path.split('?')[0]!}`)
    this.most = Math.max(this.most, ++this.inFlight)
    try {
      await new Promise((resolve) => setTimeout(resolve, 1))
      asked.signal?.throwIfAborted()
      await this.before(path, asked)
      const answer = await this.#take(path, asked)
      this.after(path, asked)
      return Response.json(answer)
    } finally {
      this.inFlight -= 1
    }
  }

  async #take(path: string, asked: Asked): Promise<Added | Upload> {
    if (path.startsWith('/projects/')) return this.#batch(new URLSearchParams(path.split('?')[1]).get('class')!, asked)
    if (asked.method === 'POST') {
      const { class: group, name, bytes } = asked.json as { class: string; name: string; bytes: number }
      const id = `u${this.uploads.size}`
      this.uploads.set(id, { group, name, bytes, parts: [] })
      return this.#state(id)
    }
    const id = path.split('/').at(-1)!
    if (!this.uploads.has(id)) throw new ApiError(404, 'no-upload', 'gone')
    if (asked.method === 'PATCH') {
      const at = Number(new Headers(asked.headers).get('Upload-Offset'))
      if (at !== this.#state(id).offset) throw new ApiError(409, 'offset', 'another offset')
      this.uploads.get(id)!.parts.push(asked.body as Blob)
    }
    return this.#state(id)
  }

  #batch(group: string, asked: Asked): Added {
    const key = new Headers(asked.headers).get('Idempotency-Key')!
    const kept = this.keys.get(key)
    if (kept) return kept
    const files = (asked.body as FormData).getAll('file') as File[]
    const bad = files.filter((file) => file.name.startsWith('bad'))
    for (const file of files) if (!bad.includes(file)) this.films.push({ group, name: file.name, bytes: file.size })
    const added = { films: [], problems: bad.map(({ name }) => ({ name, reason: 'not a film', code: 'unreadable' })) }
    this.keys.set(key, added)
    return added
  }

  #state(id: string): Upload {
    const { group, name, bytes, parts } = this.uploads.get(id)!
    const offset = parts.reduce((sum, part) => sum + part.size, 0)
    const complete = offset === bytes
    if (complete && !this.films.some((film) => film.name === name)) this.films.push({ group, name, bytes })
    return { id, offset, bytes, added: complete ? { films: [], problems: [] } : null }
  }
}

const open: UploadQueue[] = []
afterEach(() => open.splice(0).forEach((queue) => queue.cancel()))

function queueFor(service: Service, chunkBytes = 2 ** 20): UploadQueue {
  const queue = new UploadQueue('p', { chunkBytes, onadded() {}, ask: service.ask, patience: { first: 5, most: 20 } })
  open.push(queue)
  return queue
}

function files(count: number, bytes = 10, name = 'film'): File[] {
  return Array.from({ length: count }, (_, number) => new File([new Uint8Array(bytes)], `${name}${number}.png`))
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2))
}

const idle = (queue: UploadQueue) => until(() => queue.progress.state === 'idle')

describe('a queue of films', () => {
  test('sends a thousand in batches, never more than three at a time, each to its class', async () => {
    const service = new Service()
    const queue = queueFor(service)
    queue.add('a', files(600, 10, 'a'))
    queue.add('b', files(400, 10, 'b'))
    await idle(queue)
    expect(service.films).toHaveLength(1000)
    expect(new Set(service.films.map(({ name }) => name)).size).toBe(1000)
    expect(service.films.filter(({ group }) => group === 'b')).toHaveLength(400)
    expect(service.most).toBeLessThanOrEqual(3)
    expect(service.requests.length).toBe(125)
    expect(queue.progress).toMatchObject({ films: 1000, done: 1000, failed: 0, bytes: 10_000, sent: 10_000 })
  })

  test('a bad film is a problem of its own', async () => {
    const service = new Service()
    const queue = queueFor(service)
    queue.add('a', [...files(3), ...files(1, 10, 'bad')])
    await idle(queue)
    expect(queue.problems).toEqual([{ class: 'a', name: 'bad0.png', reason: 'not a film', code: 'unreadable' }])
    expect(queue.progress).toMatchObject({ done: 3, failed: 1 })
    queue.dismiss('a')
    expect(queue.problems).toEqual([])
  })

  test('a batch that the service refuses goes again film by film', async () => {
    const service = new Service()
    service.before = (_path, asked) => {
      const sent = (asked.body as FormData).getAll('file') as File[]
      if (sent.some(({ name }) => name === 'film2.png')) throw new ApiError(413, 'too-large', 'too large')
    }
    const queue = queueFor(service)
    queue.add('a', files(4))
    await idle(queue)
    expect(service.films.map(({ name }) => name).sort()).toEqual(['film0.png', 'film1.png', 'film3.png'])
    expect(queue.problems).toMatchObject([{ name: 'film2.png', reason: 'too large' }])
  })

  test('an answer that got lost adds nothing twice', async () => {
    const service = new Service()
    let lost = 1
    service.after = () => {
      if (lost-- > 0) throw new ApiError(0, 'offline', 'lost')
    }
    const queue = queueFor(service)
    queue.add('a', files(2))
    await idle(queue)
    expect(service.films).toHaveLength(2)
    expect(service.requests).toHaveLength(2)
  })

  test('waits as long as the service asks, and no shorter', async () => {
    const service = new Service()
    const times: number[] = []
    service.before = () => {
      times.push(performance.now())
      if (times.length === 1) throw new ApiError(429, 'rate', 'later', undefined, new Headers({ 'Retry-After': '1' }))
    }
    const queue = queueFor(service)
    queue.add('a', files(1))
    await until(() => queue.progress.state === 'waiting')
    await idle(queue)
    expect(times[1]! - times[0]!).toBeGreaterThan(900)
  })

  test('halts when the disk is full, and goes on when told', async () => {
    const service = new Service()
    let full = true
    service.before = () => {
      if (full) throw new ApiError(507, 'disk-full', 'the disk is full')
    }
    const queue = queueFor(service)
    queue.add('a', files(20))
    await until(() => queue.progress.state === 'halted')
    expect(queue.progress.halted?.message).toBe('the disk is full')
    await until(() => service.inFlight === 0)
    full = false
    queue.resume()
    await idle(queue)
    expect(service.films).toHaveLength(20)
    expect(queue.progress).toMatchObject({ films: 20, done: 20, bytes: 200, sent: 200 })
  })

  test('what is cancelled is not sent, and the rest is', async () => {
    const service = new Service()
    const queue = queueFor(service)
    queue.add('a', files(100, 10, 'a'))
    queue.add('b', files(10, 10, 'b'))
    queue.cancel('a')
    await idle(queue)
    expect(service.films.filter(({ group }) => group === 'a').length).toBeLessThan(100)
    expect(service.films.filter(({ group }) => group === 'b')).toHaveLength(10)
    expect(queue.progress.classes['b']).toMatchObject({ films: 10, done: 10 })
    expect(queue.progress.sent).toBe(queue.progress.bytes)
  })
})

describe('a large film', () => {
  const size = 5 * 2 ** 20

  test('goes in chunks', async () => {
    const service = new Service()
    const queue = queueFor(service)
    queue.add('a', files(1, size, 'large'))
    await idle(queue)
    expect(service.requests).toEqual(['POST /uploads', ...Array<string>(5).fill('PATCH /uploads/u0')])
    expect(service.films).toEqual([{ group: 'a', name: 'large0.png', bytes: size }])
  })

  test('resumes where it was after the network was lost', async () => {
    const service = new Service()
    let patches = 0
    let offline = false
    service.before = (_path, asked) => {
      if (asked.method === 'PATCH' && ++patches === 3) offline = true
      if (offline) throw new ApiError(0, 'offline', 'lost')
    }
    const queue = queueFor(service)
    queue.add('a', files(1, size, 'large'))
    await until(() => queue.progress.state === 'offline')
    expect(queue.progress.sent).toBe(2 * 2 ** 20)
    offline = false
    await idle(queue)
    expect(service.requests.filter((request) => request === 'POST /uploads')).toHaveLength(1)
    expect(service.requests).toContain('GET /uploads/u0')
    expect(patches).toBe(6)
    expect(service.films).toHaveLength(1)
  })

  test('goes on from the true offset when an answer got lost or another is told', async () => {
    const service = new Service()
    let patches = 0
    service.after = (_path, asked) => {
      if (asked.method === 'PATCH' && [2, 5].includes(++patches)) throw new ApiError(patches === 2 ? 0 : 503, 'lost', '')
    }
    const queue = queueFor(service)
    queue.add('a', files(1, size, 'large'))
    await idle(queue)
    expect(patches).toBe(5)
    expect(service.films).toHaveLength(1)
  })

  test('begins anew when the service has forgotten it', async () => {
    const service = new Service()
    let patches = 0
    service.before = (_path, asked) => {
      if (asked.method === 'PATCH' && ++patches === 3) service.uploads.set('u0', service.uploads.get('u0')!) && service.uploads.delete('u0')
    }
    const queue = queueFor(service)
    queue.add('a', files(1, size, 'large'))
    await idle(queue)
    expect(service.films).toHaveLength(1)
    expect(queue.progress).toMatchObject({ done: 1, sent: size })
  })
})
