/** A film that the service could not read, as an answer that says so. */

import { ApiError } from '../api'
import type { ModelSummary, Prediction } from '../types'

const CODES = new Set(['unreadable', 'too-large', 'timeout', 'memory'])

/** null when the error is about something other than the film itself. */
export function unreadable(error: unknown, film: { name: string }, model: ModelSummary | null): Prediction | null {
  if (!(error instanceof ApiError) || ![413, 422].includes(error.status) || !CODES.has(error.code)) return null
  return {
    file: film.name,
    sha256: '',
    width: 0,
    height: 0,
    kind: '',
    label: '',
    probabilities: {},
    novelty: null,
    novelty_threshold: 0,
    refused: true,
    reason: error.message,
    reason_code: error.code,
    error: true,
    conformal: null,
    uncertain: false,
    operating_points: [],
    reliability: null,
    heatmap: null,
    warnings: [],
    model: model?.id ?? '',
    timings_ms: { read: 0, run: 0, total: 0 },
  }
}
