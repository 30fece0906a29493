import { teach as t } from '../../i18n/teach'

const KNOWN = new Set([
  'index',
  'split',
  'copies',
  'audit',
  'features',
  'head',
  'calibrate',
  'evaluate',
  'evidence',
  'pictures',
  'file',
  'model audit',
  'drawing phantom films',
] as const)
type Known = typeof KNOWN extends Set<infer Name> ? Name : never

/** A stage of the pipeline in the reader's words; one that is not known stays as the pipeline calls it. */
export function stageName(stage: string): string {
  return KNOWN.has(stage as Known) ? t(`stage_${stage as Known}`) : stage
}
