/** Two models on the same films: a job of the service, followed to its end. */

import { call } from './api'
import { follow } from './events'
import type { Job } from './types'

export class ComparisonRun {
  job = $state.raw<Job | null>(null)
  /** The stage that runs, and what was found, in the order it was told. */
  stage = $state('')
  notes = $state.raw<string[]>([])
  done = $state.raw<{ done: number; total: number } | null>(null)
  problem = $state.raw<unknown>(null)
  running = $state(false)
  #abort = new AbortController()

  async start(model: string, other: string, project: string): Promise<void> {
    this.running = true
    this.problem = null
    this.notes = []
    this.done = null
    try {
      this.job = await call<Job>('/jobs', { method: 'POST', json: { kind: 'compare', model, other, project } })
      for await (const { event } of follow(this.job.id, { signal: this.#abort.signal })) {
        if (event.event === 'StageStarted') this.stage = event.detail || event.stage
        if (event.event === 'Progress') this.done = { done: event.done, total: event.total }
        if (event.event === 'Note') this.notes = [...this.notes, event.text]
      }
      if (!this.#abort.signal.aborted) this.job = await call<Job>(`/jobs/${this.job.id}`)
    } catch (error) {
      this.problem = error
    }
    this.running = false
  }

  async cancel(): Promise<void> {
    if (!this.job) return
    try {
      await call(`/jobs/${this.job.id}/cancel`, { method: 'POST' })
    } catch (error) {
      this.problem = error
    }
  }

  /** Nobody looks any more: the job goes on, only the following ends. */
  leave(): void {
    this.#abort.abort()
  }
}
