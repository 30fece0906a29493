/** From what the network gives to the answer that the service would have sent; no browser needed. */

import type { DecodedFilm } from '../decode'
import type { Estimate, Heatmap, Language, Prediction, Verdict } from '../types'
import { refusal } from './gate'
import type { ModelRecord, RecordEstimate } from './record'
import { inSpanish } from './spanish'

/** What the graph gives for one film, C labels and a map of rows x columns. */
export interface Outputs {
  probabilities: Float32Array
  novelty: number
  heatmap: Float32Array
  /** Rows, columns. */
  grid: [number, number]
  runMs: number
}

export interface Asked {
  file: string
  film: DecodedFilm
  model: string
  language: Language
}

/** Without a rule for sets, an answer is uncertain when the two most probable labels are this close. */
const CLOSE = 0.2

export function predictionOf(outputs: Outputs, record: ModelRecord, { file, film, model, language }: Asked): Prediction {
  const shares = Array.from(outputs.probabilities)
  const probabilities = Object.fromEntries(record.labels.map((label, n) => [label, shares[n] ?? 0]))
  const [first = 0, second = 0] = shares.toSorted((a, b) => b - a)
  const conformal = record.conformal && {
    level: record.conformal.level,
    labels: record.labels.filter((_, n) => (shares[n] ?? 0) >= (record.conformal?.threshold ?? 1)),
  }
  const { reason, code } = refusal(outputs.novelty, record.novelty_threshold, film.objections, language)
  return {
    file,
    sha256: film.sha256,
    width: film.width,
    height: film.height,
    kind: film.kind,
    label: record.labels[shares.indexOf(first)] ?? '',
    probabilities,
    novelty: Number.isFinite(outputs.novelty) ? outputs.novelty : null,
    novelty_threshold: record.novelty_threshold,
    refused: reason !== '',
    reason,
    reason_code: code,
    error: false,
    conformal,
    uncertain: conformal ? conformal.labels.length > 1 : first - second < CLOSE,
    operating_points: record.operating_points.map((point) => verdict(point, probabilities)),
    reliability: null,
    heatmap: heatmapOf(outputs, record),
    warnings: language === 'es' ? film.warnings.map(inSpanish) : film.warnings,
    model,
    timings_ms: { read: film.readMs, run: outputs.runMs, total: film.readMs + outputs.runMs },
  }
}

function verdict(point: ModelRecord['operating_points'][number], probabilities: Record<string, number>): Verdict {
  const probability = Math.min(1, point.positive.reduce((sum, label) => sum + (probabilities[label] ?? 0), 0))
  return {
    name: point.name,
    positive: point.positive,
    threshold: point.threshold,
    probability,
    verdict: probability >= point.threshold ? 'positive' : 'negative',
    sensitivity: estimate(point.sensitivity),
    specificity: estimate(point.specificity),
  }
}

const estimate = ({ value, low, high, n_films, n_patients }: RecordEstimate): Estimate => ({ value, low, high, films: n_films, patients: n_patients })

function heatmapOf({ heatmap, grid }: Outputs, record: ModelRecord): Heatmap {
  const [rows, columns] = grid
  const map = (n: number): number[][] =>
    Array.from({ length: rows }, (_, row) => {
      const start = (n * rows + row) * columns
      return Array.from(heatmap.subarray(start, start + columns))
    })
  return { grid, scale: record.heatmap_scale, values: Object.fromEntries(record.labels.map((label, n) => [label, map(n)])), links: {} }
}
