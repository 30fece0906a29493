/**
 * Work that goes to the service a few pieces at a time. A busy service (429, 503) is left alone for as long as it asks; a service that does
 * not answer is tried again, ever less often, until it does. Nothing is lost in either case. Free of the framework.
 */

import { ApiError } from '../api'

export interface Pause {
  reason: 'busy' | 'offline'
  /** When it will be tried again: milliseconds as Date.now(). */
  until: number
}

export interface QueueEvents<Item> {
  /** An item failed for good. */
  failed: (item: Item, error: unknown) => void
  /** Something changed: what waits, what is under way, or whether the queue pauses. */
  changed?: () => void
}

const LONGEST_WAIT = 30
/** A service that is busy with one and the same film so many times has a trouble with this film. */
const BUSY_AT_MOST = 8

export class Queue<Item extends object> {
  pause: Pause | null = null
  #waiting: Item[] = []
  #flying = new Map<Item, AbortController>()
  #refusals = new WeakMap<Item, number>()
  /** Refusals in a row, of any item. */
  #troubles = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  readonly #work: (item: Item, signal: AbortSignal) => Promise<void>
  readonly #events: QueueEvents<Item>
  readonly #limit: number

  constructor(work: (item: Item, signal: AbortSignal) => Promise<void>, events: QueueEvents<Item>, limit = 3) {
    this.#work = work
    this.#events = events
    this.#limit = limit
  }

  /** Items that wait or are under way. */
  get left(): number {
    return this.#waiting.length + this.#flying.size
  }

  /** Append items; with `first` they go before all that wait. */
  add(items: Iterable<Item>, { first = false } = {}): void {
    if (first) this.#waiting.unshift(...items)
    else for (const item of items) this.#waiting.push(item)
    this.#go()
  }

  /** Forget some items, or all: requests under way are aborted. Gives back what was forgotten. */
  cancel(items: Iterable<Item> = [...this.#waiting, ...this.#flying.keys()]): Item[] {
    const gone = new Set(items)
    const known = [...this.#flying.keys(), ...this.#waiting].filter((item) => gone.has(item))
    this.#waiting = this.#waiting.filter((item) => !gone.has(item))
    for (const item of known) this.#flying.get(item)?.abort()
    if (!this.left) this.wake()
    this.#events.changed?.()
    return known
  }

  /** Try again now: the network is back, or the reader says so. */
  wake(): void {
    clearTimeout(this.#timer)
    this.pause = null
    this.#go()
  }

  #go(): void {
    // After trouble one item goes ahead to see whether it is over.
    const limit = this.#troubles ? 1 : this.#limit
    while (!this.pause && this.#flying.size < limit && this.#waiting.length) void this.#one(this.#waiting.shift()!)
    this.#events.changed?.()
  }

  async #one(item: Item): Promise<void> {
    const control = new AbortController()
    this.#flying.set(item, control)
    try {
      await this.#work(item, control.signal)
      this.#troubles = 0
    } catch (error) {
      if (!control.signal.aborted) this.#trouble(item, error)
    } finally {
      this.#flying.delete(item)
      this.#go()
    }
  }

  #trouble(item: Item, error: unknown): void {
    const reason = passing(error)
    const refusals = (this.#refusals.get(item) ?? 0) + 1
    if (!reason || (reason === 'busy' && refusals > BUSY_AT_MOST)) return this.#events.failed(item, error)
    if (reason === 'busy') this.#refusals.set(item, refusals)
    this.#waiting.unshift(item)
    this.#troubles++
    const seconds = retryAfter(error) ?? Math.min(2 ** (this.#troubles - 1), LONGEST_WAIT)
    const until = Date.now() + 1000 * seconds
    if (this.pause && this.pause.until >= until) return
    this.pause = { reason, until }
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.wake(), 1000 * seconds)
  }
}

/** Whether an error will pass by itself. */
export function passing(error: unknown): Pause['reason'] | null {
  if (!(error instanceof ApiError)) return null
  if (error.code === 'offline' || error.status === 502 || error.status === 504) return 'offline'
  return error.status === 429 || error.status === 503 ? 'busy' : null
}

/** Seconds that the service asks to wait, from its Retry-After header: a number or a date; null when it does not say. */
export function retryAfter(error: unknown): number | null {
  const said = error instanceof ApiError ? error.headers?.get('Retry-After') : null
  if (!said) return null
  const seconds = /^\d+$/.test(said) ? Number(said) : (Date.parse(said) - Date.now()) / 1000
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0.1), 300) : null
}
