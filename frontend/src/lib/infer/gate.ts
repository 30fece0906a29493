/** The gate before the answer, worded as src/deephealth/inference/gate.py words it. */

import type { Language } from '../types'
import { inSpanish } from './spanish'

export interface Refusal {
  /** One sentence; "" when the film is not refused. */
  reason: string
  code: '' | 'tags' | 'novelty'
}

export function refusal(novelty: number, threshold: number | null, objections: string[], language: Language): Refusal {
  if (objections.length) {
    const reasons = objections.map((objection) => (language === 'es' ? inSpanish(objection) : objection)).join('; ')
    const reason =
      language === 'es'
        ? `Según sus propios datos no es una radiografía de tórax frontal: ${reasons}.`
        : `By its own tags this is not a frontal chest film: ${reasons}.`
    return { reason, code: 'tags' }
  }
  if (threshold === null || novelty <= threshold) return { reason: '', code: '' }
  const [found, limit] = [significant(novelty), significant(threshold)]
  const reason =
    language === 'es'
      ? `La radiografía no se parece a las del entrenamiento del modelo (novedad ${comma(found)}; el límite es ${comma(limit)}): quizá no sea una radiografía frontal de tórax.`
      : `The film is unlike those the model was trained on (novelty ${found}, the limit is ${limit}); it may not be a frontal chest film.`
  return { reason, code: 'novelty' }
}

/** Three significant digits, as Python's ".3g" writes them. */
export function significant(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf'
  const [digits = '0', power = '+0'] = value.toExponential(2).split('e')
  const exponent = Number(power)
  if (exponent >= -4 && exponent < 3) return String(Number(value.toPrecision(3)))
  return `${Number(digits)}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
}

const comma = (text: string): string => text.replace('.', ',')
