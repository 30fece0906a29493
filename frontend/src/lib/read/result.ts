/** What an answer amounts to, before words: the leading label, what it is uncertain against, and how often such answers were right. */

import type { Prediction, Verdict } from '../types'

export interface Result {
  label: string
  /** Labels that the answer cannot be told from; empty when it stands alone. */
  against: string[]
  /** No label is probable enough to be named. */
  none: boolean
  /** "8 of 10": never "10 of 10" or "0 of 10", which would promise too much. */
  right: { right: number; of: number; films: number } | null
}

export function resultOf(prediction: Prediction): Result {
  const { label, conformal, uncertain, reliability } = prediction
  const others = conformal?.labels.length
    ? conformal.labels.filter((one) => one !== label)
    : byProbability(prediction).filter((one) => one !== label).slice(0, 1)
  const none = conformal?.labels.length === 0
  const share = reliability?.correct.value ?? null
  return {
    label,
    against: uncertain && !none ? others : [],
    none,
    right: share === null ? null : { ...outOf(share), films: reliability!.correct.films },
  }
}

export function byProbability({ probabilities }: Prediction): string[] {
  return Object.keys(probabilities).sort((a, b) => probabilities[b]! - probabilities[a]!)
}

function outOf(share: number): { right: number; of: number } {
  const tenths = Math.round(10 * share)
  return tenths >= 1 && tenths <= 9 ? { right: tenths, of: 10 } : { right: Math.round(100 * share), of: 100 }
}

/** The operating point shown unless the reader chose another: the balanced one (Youden) where the model has it, else its first. */
export function chosenPoint(points: readonly Verdict[], name: string): Verdict | null {
  return points.find((point) => point.name === name) ?? points.find((point) => point.name === 'Youden') ?? points[0] ?? null
}

/**
 * Where an operating point stands on the bars: on the bar of its one positive label at the threshold; with two classes only, that is all
 * there is to say. With several positive labels it stands on a bar of their sum.
 */
export function tickOf(point: Verdict | null): { label: string; at: number } | null {
  return point && point.positive.length === 1 ? { label: point.positive[0]!, at: point.threshold } : null
}
