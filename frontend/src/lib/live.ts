/** A training run as it is to be shown, made from its events one by one. Free of the framework. */

import type { JobEvent, JobState, Measured } from './types'

export interface LiveRun {
  stage: string
  detail: string
  /** Of the stage, where it counts; `secondsLeft` null while unknown. `rate`: items a second. */
  progress: { done: number; total: number; reused: number; rate: number | null; secondsLeft: number | null } | null
  points: ({ x: number } & Measured)[]
  /** "epoch" or "step": what x counts. */
  unit: 'epoch' | 'step'
  epochs: number
  notes: string[]
  ended: { state: JobState; problem: string; code: string; model: string | null } | null
  /** The number of the last event. */
  last: number
}

export function nothingYet(): LiveRun {
  return { stage: '', detail: '', progress: null, points: [], unit: 'epoch', epochs: 0, notes: [], ended: null, last: 0 }
}

/** Take one event into the run. `starts` remembers when each counted stage began (seconds since 1970), by its name. */
export function take(run: LiveRun, id: number, event: JobEvent, starts: Map<string, { time: number; done: number }>): LiveRun {
  const next = { ...run, last: id }
  switch (event.event) {
    case 'RunStarted':
      // A run that was interrupted and taken up again tells its story from the start.
      starts.clear()
      return { ...nothingYet(), last: id }
    case 'StageStarted':
      return { ...next, stage: event.stage, detail: event.detail, progress: null }
    case 'Progress':
      return { ...next, progress: measured(event, starts) }
    case 'EpochDone':
      return { ...next, unit: 'epoch', epochs: event.epochs, points: added(run, 'epoch', event.epoch, event) }
    case 'StepDone':
      return { ...next, unit: 'step', points: added(run, 'step', event.step, event) }
    case 'Note':
      return { ...next, notes: [...run.notes, event.text] }
    case 'JobEnded':
      return { ...next, ended: { state: event.state, problem: event.problem, code: event.problem_code ?? '', model: event.model } }
    default:
      return next
  }
}

/** Points in order; the same x again (a run taken up again) replaces what came after it. */
function added(run: LiveRun, unit: LiveRun['unit'], x: number, measured: Measured): LiveRun['points'] {
  const { loss, accuracy, validation_loss, validation_accuracy, learning_rate } = measured
  const kept = run.unit === unit ? run.points.filter((point) => point.x < x) : []
  return [...kept, { x, loss, accuracy, validation_loss, validation_accuracy, learning_rate }]
}

type Progress = Extract<JobEvent, { event: 'Progress' }>

/** The rate counts only what was done, not what was found in the cache. */
function measured(event: Progress, starts: Map<string, { time: number; done: number }>): NonNullable<LiveRun['progress']> {
  const { stage, done, total, reused, time } = event
  const key = `${stage}/${total}`
  const start = starts.get(key)
  if (!start || done < start.done) starts.set(key, { time, done: Math.max(done, reused) })
  const seconds = start ? time - start.time : 0
  const worked = start ? done - start.done : 0
  const rate = seconds > 0.5 && worked > 0 ? worked / seconds : null
  return { done, total, reused, rate, secondsLeft: rate ? (total - done) / rate : null }
}
