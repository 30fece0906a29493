/**
 * Films on their way to a project: small ones in batches, large ones in resumable chunks, a few at a time. Free of the framework.
 *
 * The queue keeps on when the network is lost or the service is busy, and halts for what only a person can mend (disk full, signed out).
 * What is wrong with one film is collected as a problem of that film and stops no other.
 */

import { ApiError, ask as askService, type Asked } from './api'
import type { Added, Upload } from './types'

export interface UploadProblem {
  class: string
  name: string
  reason: string
  code: string
}

/** Counts since the queue was last empty. */
export interface Tally {
  films: number
  done: number
  failed: number
  bytes: number
  sent: number
}

export interface UploadProgress extends Tally {
  /** "offline": no answer comes; "waiting": the service asked for patience; "halted": `halted` says why, and `resume` goes on. */
  state: 'idle' | 'sending' | 'waiting' | 'offline' | 'halted'
  secondsLeft: number | null
  halted: ApiError | null
  classes: Record<string, Tally>
}

export interface UploadOptions {
  chunkBytes: number
  /** What became of films; called once for each batch or large film. */
  onadded(group: string, added: Added): void
  /** Progress or problems changed; at most about five times a second. */
  onchange?(): void
  ask?(path: string, asked?: Asked): Promise<Response>
  /** Milliseconds to wait after a failure: first, then doubled up to the most. */
  patience?: { first: number; most: number }
}

interface Item {
  group: string
  file: File
  sent: number
  /** The service's name of a large film's upload, once begun. */
  upload: string
  alone: boolean
}

interface Parcel {
  items: Item[]
  key: string
  abort: AbortController
}

const LANES = 3
const BATCH_FILMS = 8
const BATCH_BYTES = 4 * 2 ** 20
const LARGE = BATCH_BYTES
const TELL_EVERY = 200
const BUSY = new Set([0, 408, 425, 429, 502, 503, 504])
const HALTING = new Set([401, 403, 507])

export class UploadQueue {
  problems: UploadProblem[] = []

  #waiting: Item[] = []
  #parcels = new Set<Parcel>()
  #lanes = 0
  #classes = new Map<string, Tally>()
  #halted: ApiError | null = null
  #pause: { offline: boolean; timer: ReturnType<typeof setTimeout>; over: Promise<void>; end: () => void } | null = null
  #began = 0
  #paused = 0
  #telling: ReturnType<typeof setTimeout> | undefined
  readonly #ask: NonNullable<UploadOptions['ask']>
  readonly #patience: { first: number; most: number }

  constructor(
    readonly project: string,
    readonly options: UploadOptions,
  ) {
    this.#ask = options.ask ?? askService
    this.#patience = options.patience ?? { first: 1000, most: 20_000 }
  }

  /** Put films into the queue of a class; sending starts at once. */
  add(group: string, files: Iterable<File>): void {
    if (this.#idle) {
      this.#classes.clear()
      this.#began = Date.now()
      this.#paused = 0
    }
    const tally = this.#tally(group)
    for (const file of files) {
      this.#waiting.push({ group, file, sent: 0, upload: '', alone: false })
      tally.films += 1
      tally.bytes += file.size
    }
    this.#start()
  }

  /** Forget what is not sent yet, of one class or of all; what the service has stays there. */
  cancel(group?: string): void {
    const leaving = (item: Item) => group === undefined || item.group === group
    this.#waiting = this.#waiting.filter((item) => !leaving(item) || this.#forget(item))
    for (const parcel of this.#parcels) if (leaving(parcel.items[0]!)) parcel.abort.abort()
    if (!this.#waiting.length && !this.#parcels.size) this.#halted = null
    this.#resumeNow()
    this.#tell()
  }

  /** Go on after a halt, or at once where it waits. */
  resume(): void {
    this.#halted = null
    this.#resumeNow()
    this.#start()
  }

  /** Take the problems of a class away once they were read. */
  dismiss(group: string): void {
    this.problems = this.problems.filter((problem) => problem.class !== group)
    this.#tell()
  }

  get progress(): UploadProgress {
    const sum: Tally = { films: 0, done: 0, failed: 0, bytes: 0, sent: 0 }
    for (const tally of this.#classes.values()) for (const key of Object.keys(sum) as (keyof Tally)[]) sum[key] += tally[key]
    return { ...sum, state: this.#state, secondsLeft: this.#secondsLeft(sum), halted: this.#halted, classes: Object.fromEntries(this.#classes) }
  }

  get #idle(): boolean {
    return !this.#waiting.length && !this.#parcels.size
  }

  get #state(): UploadProgress['state'] {
    if (this.#halted) return 'halted'
    if (this.#idle) return 'idle'
    return this.#pause ? (this.#pause.offline ? 'offline' : 'waiting') : 'sending'
  }

  #secondsLeft(sum: Tally): number | null {
    const seconds = (Date.now() - this.#began - this.#paused) / 1000
    if (this.#state !== 'sending' || seconds < 1 || !sum.sent) return null
    return (seconds * (sum.bytes - sum.sent)) / sum.sent
  }

  #tally(group: string): Tally {
    let found = this.#classes.get(group)
    if (!found) this.#classes.set(group, (found = { films: 0, done: 0, failed: 0, bytes: 0, sent: 0 }))
    return found
  }

  #tell(): void {
    this.#telling ??= setTimeout(() => {
      this.#telling = undefined
      this.options.onchange?.()
    }, TELL_EVERY)
  }

  // ---- lanes ---------------------------------------------------------------------------------------------------------

  #start(): void {
    while (!this.#halted && this.#lanes < Math.min(LANES, this.#waiting.length)) void this.#lane()
    this.#tell()
  }

  async #lane(): Promise<void> {
    this.#lanes += 1
    for (let parcel = this.#next(); parcel; parcel = this.#next()) {
      this.#parcels.add(parcel)
      try {
        this.#arrived(parcel, await this.#send(parcel))
      } catch (error) {
        this.#failed(parcel, error)
      }
      this.#parcels.delete(parcel)
      this.#tell()
    }
    this.#lanes -= 1
    this.#tell()
  }

  /** The next large film alone, or as many small ones of one class as make a batch. */
  #next(): Parcel | null {
    if (this.#halted || !this.#waiting.length) return null
    const [first] = this.#waiting as [Item]
    let count = 1
    if (!large(first) && !first.alone) {
      let bytes = first.file.size
      for (; count < BATCH_FILMS; count += 1) {
        const item = this.#waiting[count]
        if (!item || item.group !== first.group || large(item) || item.alone || (bytes += item.file.size) > BATCH_BYTES) break
      }
    }
    return { items: this.#waiting.splice(0, count), key: newKey(), abort: new AbortController() }
  }

  #send(parcel: Parcel): Promise<Added> {
    return large(parcel.items[0]!) ? this.#sendLarge(parcel) : this.#patiently(parcel, () => this.#sendBatch(parcel))
  }

  #arrived({ items }: Parcel, added: Added): void {
    const group = items[0]!.group
    const tally = this.#tally(group)
    for (const item of items) this.#sentSoFar(item, item.file.size)
    tally.failed += added.problems.length
    tally.done += Math.max(0, items.length - added.problems.length)
    this.problems = [...this.problems, ...added.problems.map((problem) => ({ class: group, ...problem }))]
    this.options.onadded(group, added)
  }

  #failed({ items, abort }: Parcel, error: unknown): void {
    if (abort.signal.aborted) {
      for (const item of items) this.#forget(item)
    } else if (error instanceof ApiError && HALTING.has(error.status)) {
      this.#halted = error
      for (const item of items) this.#sentSoFar(item, item.upload ? item.sent : 0)
      this.#waiting.unshift(...items)
    } else if (items.length > 1) {
      // One of them may be what the service objects to: each goes again, alone.
      this.#waiting.unshift(...items.map((item) => ({ ...item, alone: true })))
    } else {
      this.#refuse(items[0]!, error)
    }
  }

  #refuse(item: Item, error: unknown): void {
    const { code, message } = error instanceof ApiError ? error : { code: 'unreadable-file', message: '' }
    this.#sentSoFar(item, item.file.size)
    this.#tally(item.group).failed += 1
    this.problems = [...this.problems, { class: item.group, name: item.file.name, reason: message, code }]
  }

  /** Take an item out of the counts; false, to be used in a filter. */
  #forget(item: Item): false {
    const tally = this.#tally(item.group)
    this.#sentSoFar(item, 0)
    tally.films -= 1
    tally.bytes -= item.file.size
    return false
  }

  #sentSoFar(item: Item, sent: number): void {
    this.#tally(item.group).sent += sent - item.sent
    item.sent = sent
    this.#tell()
  }

  // ---- sending -------------------------------------------------------------------------------------------------------

  async #sendBatch({ items, key, abort }: Parcel): Promise<Added> {
    const form = new FormData()
    for (const { file } of items) form.append('file', file, file.name)
    const path = `/projects/${this.project}/films?class=${encodeURIComponent(items[0]!.group)}`
    const answer = await this.#ask(path, { method: 'POST', body: form, headers: { 'Idempotency-Key': key }, signal: abort.signal })
    return (await answer.json()) as Added
  }

  /** A large film, chunk by chunk; after a failure the service says how much of it has arrived. */
  async #sendLarge(parcel: Parcel): Promise<Added> {
    const item = parcel.items[0]!
    const { signal } = parcel.abort
    let upload = await this.#patiently(parcel, () => this.#open(item, signal))
    while (!upload.added) {
      const known = upload
      upload = await this.#patiently(parcel, async (again) => {
        const here = again ? await this.#open(item, signal) : known
        if (here.added || (again && here.offset < here.bytes)) return here
        const next = await this.#sendChunk(item, here, signal)
        if (next.offset === next.bytes && !next.added) throw new ApiError(503, 'processing', '')
        return next
      })
      this.#sentSoFar(item, upload.offset)
    }
    return upload.added
  }

  /** The upload as the service has it: begun before, or begun now. */
  async #open(item: Item, signal: AbortSignal): Promise<Upload> {
    if (item.upload) {
      try {
        return (await (await this.#ask(`/uploads/${item.upload}`, { signal })).json()) as Upload
      } catch (error) {
        if (!(error instanceof ApiError && error.status === 404)) throw error
      }
    }
    const json = { project: this.project, class: item.group, name: item.file.name, bytes: item.file.size }
    const upload = (await (await this.#ask('/uploads', { method: 'POST', json, signal })).json()) as Upload
    item.upload = upload.id
    return upload
  }

  async #sendChunk(item: Item, { id, offset }: Upload, signal: AbortSignal): Promise<Upload> {
    const headers = { 'Upload-Offset': String(offset), 'Content-Type': 'application/octet-stream' }
    const body = item.file.slice(offset, offset + this.options.chunkBytes)
    try {
      return (await (await this.#ask(`/uploads/${id}`, { method: 'PATCH', headers, body, signal })).json()) as Upload
    } catch (error) {
      if (error instanceof ApiError && (error.status === 409 || error.status === 404)) return this.#open(item, signal)
      throw error
    }
  }

  // ---- patience ------------------------------------------------------------------------------------------------------

  /** Try until an answer comes that is not "later"; told from the second time on that it is a repetition. */
  async #patiently<T>({ items, abort }: Parcel, attempt: (again: boolean) => Promise<T>): Promise<T> {
    for (let failures = 0; ; failures += 1) {
      while (this.#pause) await this.#pause.over
      abort.signal.throwIfAborted()
      try {
        return await attempt(failures > 0)
      } catch (error) {
        if (!(error instanceof ApiError) || !BUSY.has(error.status)) throw error
        // A file that was changed or removed since it was dropped looks like a lost network.
        if (error.status === 0) await Promise.all(items.map(({ file }) => file.slice(0, 1).arrayBuffer()))
        this.#pauseFor(retryAfter(error.headers) ?? Math.min(this.#patience.first * 2 ** failures, this.#patience.most), error.status === 0)
      }
    }
  }

  #pauseFor(milliseconds: number, offline: boolean): void {
    if (this.#pause) return
    const begun = Date.now()
    let end = () => {}
    const over = new Promise<void>((resolve) => (end = resolve)).then(() => {
      this.#pause = null
      this.#paused += Date.now() - begun
      this.#tell()
    })
    const timer = setTimeout(() => end(), milliseconds)
    this.#pause = { offline, timer, over, end }
    this.#tell()
  }

  #resumeNow(): void {
    if (!this.#pause) return
    clearTimeout(this.#pause.timer)
    this.#pause.end()
  }
}

function large({ file }: Item): boolean {
  return file.size > LARGE
}

/** 128 random bits; crypto.randomUUID needs a secure context, which a service in a house's own network may not have. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Milliseconds of a Retry-After header, in seconds or as a date. */
function retryAfter(headers?: Headers): number | null {
  const value = headers?.get('Retry-After')
  if (!value) return null
  const milliseconds = /^\d+$/.test(value) ? 1000 * Number(value) : Date.parse(value) - Date.now()
  return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : null
}
