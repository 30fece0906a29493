/** The last job of a project as it goes on: followed from its first event, so that leaving and returning finds everything as it was. */

import { call } from './api'
import { follow } from './events'
import { nothingYet, take, type LiveRun } from './live'
import type { Job, JobState, TrainSettings } from './types'

const SHOW_EVERY = 100

export function active(state: JobState | undefined): boolean {
  return state === 'queued' || state === 'running'
}

export class Training {
  job = $state.raw<Job | null>(null)
  live = $state.raw<LiveRun>(nothingYet())
  connected = $state(true)
  cancelling = $state(false)
  /** Why the last wish (train, cancel) was not granted. */
  error = $state.raw<unknown>(null)
  #following: AbortController | null = null

  constructor(
    readonly project: string,
    readonly onend: (job: Job) => void,
  ) {}

  get active(): boolean {
    return active(this.job?.state)
  }

  async start(settings: TrainSettings, allowLeakage = false): Promise<void> {
    this.error = null
    try {
      const json = { kind: 'train', settings, ...(allowLeakage ? { allow_leakage: true } : {}) }
      this.show(await call<Job>(`/projects/${this.project}/jobs`, { method: 'POST', json }))
    } catch (error) {
      this.error = error
    }
  }

  async cancel(): Promise<void> {
    if (!this.job) return
    this.cancelling = true
    try {
      const job = await call<Job>(`/jobs/${this.job.id}/cancel`, { method: 'POST' })
      if (!active(job.state)) this.job = job
    } catch (error) {
      this.error = error
      this.cancelling = false
    }
  }

  /** Show a job; one that goes on, or that was not seen before, is followed from its first event. */
  show(job: Job | null): void {
    const known = job && job.id === this.job?.id
    if (known && (this.#following || !active(job.state))) {
      if (!this.#following) this.job = job
      return
    }
    this.#following?.abort()
    this.#following = null
    this.job = job
    this.live = nothingYet()
    this.cancelling = false
    if (job && (active(job.state) || job.kind === 'train')) void this.#follow(job)
  }

  async #follow(job: Job): Promise<void> {
    const following = new AbortController()
    this.#following = following
    const begunActive = active(job.state)
    const starts = new Map<string, { time: number; done: number }>()
    let run = nothingYet()
    let showing: ReturnType<typeof setTimeout> | undefined
    const showNow = () => {
      showing = undefined
      if (this.#following !== following) return
      this.live = run
      if (this.job?.state === 'queued' && run.last) this.job = { ...this.job, state: 'running' }
    }
    try {
      for await (const { id, event } of follow(job.id, { signal: following.signal, onconnection: (connected) => (this.connected = connected) })) {
        run = take(run, id, event, starts)
        showing ??= setTimeout(showNow, SHOW_EVERY)
      }
    } catch (error) {
      if (begunActive) this.error = error
    }
    if (following.signal.aborted) return
    clearTimeout(showing)
    showNow()
    this.#following = null
    this.cancelling = false
    if (begunActive) await this.#ended(job.id)
  }

  async #ended(id: string): Promise<void> {
    try {
      const job = await call<Job>(`/jobs/${id}`)
      if (this.job?.id === id) this.job = job
      this.onend(job)
    } catch (error) {
      this.error = error
    }
  }
}
