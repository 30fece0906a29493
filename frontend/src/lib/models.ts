/** The models of the service, and what can be done with one. Free of the framework. */

import { ask, BASE, call } from './api'
import type { Estimate, ModelDetail, ModelSummary } from './types'

export const listModels = async (archived = false) => (await call<{ models: ModelSummary[] }>(`/models${archived ? '?archived=true' : ''}`)).models
export const readModel = (id: string) => call<ModelDetail>(`/models/${encodeURIComponent(id)}`)

export type Change = { serving?: true; archived?: boolean; name?: string }
export const changeModel = (id: string, change: Change) => call<ModelDetail>(`/models/${encodeURIComponent(id)}`, { method: 'PATCH', json: change })

export interface Verified {
  ok: boolean
  largest_difference: number
  films: number
  text: string
}
export const verifyModel = (id: string) => call<Verified>(`/models/${encodeURIComponent(id)}/verify`, { method: 'POST' })

export async function importModel(file: File): Promise<ModelDetail> {
  const answer = await ask('/models', { method: 'POST', body: file, headers: { 'Content-Type': 'application/octet-stream' } })
  return (await answer.json()) as ModelDetail
}

export const fileOf = (id: string) => `${BASE}/models/${id}/file`
export const reportOf = (model: ModelSummary) => model.artefacts.find((artefact) => artefact.kind === 'report-html')?.href

/** Of all classes together, in the order of interest; the others name a class. */
export const OVERALL = ['accuracy', 'balanced_accuracy', 'macro_auc', 'ece', 'brier', 'log_loss'] as const
/** For one class against the rest: the metric's name is this, an underscore and the label. */
export const PER_CLASS = ['sensitivity', 'specificity', 'auc'] as const
export type Metric = (typeof OVERALL)[number] | (typeof PER_CLASS)[number]

const known = new Set<string>([...OVERALL, ...PER_CLASS])
export const isKnown = (metric: string): metric is Metric => known.has(metric)
/** Shares are written in %, the others as they are. */
export const scaleOf = (metric: string) => (/accuracy|sensitivity|specificity/.test(metric) ? 'percent' : 'number')

/** The splits a model was measured on, test films first. */
export function splitsOf(metrics: Record<string, Record<string, Estimate>>): string[] {
  const order = ['test', 'validation', 'train']
  return Object.keys(metrics)
    .filter((split) => Object.keys(metrics[split] ?? {}).length)
    .sort((a, b) => (order.indexOf(a) + 1 || 9) - (order.indexOf(b) + 1 || 9))
}
