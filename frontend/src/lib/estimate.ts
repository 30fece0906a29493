/** A measured value in words: "79 % [71-86], n = 120, 96 patients". */

import { number } from '../i18n/index.svelte'
import { shared as t } from '../i18n/shared'
import type { Estimate } from './types'

/** "percent" for shares, "number" for what is written as a plain number, such as an AUC. */
export type Scale = 'percent' | 'number'

/** The value alone, or "not defined". */
export function valueText({ value }: Estimate, digits: number, scale: Scale): string {
  if (value === null) return t('undefined')
  return scale === 'percent' ? `${number(100 * value, digits)} %` : number(value, digits)
}

/** The interval in brackets; "" where the value is undefined. An en dash, so that a minus stays a minus. */
export function intervalText({ value, low, high }: Estimate, digits: number, scale: Scale): string {
  if (value === null) return ''
  if (low === null || high === null) return `[${t('no_interval')}]`
  const factor = scale === 'percent' ? 100 : 1
  return `[${number(factor * low, digits)}–${number(factor * high, digits)}]`
}

/** What it was measured on; patients only where some are known. */
export function countText({ films, patients }: Estimate): string {
  const n = t('n_films', { films: number(films) })
  if (!patients) return n
  return `${n}, ${patients === 1 ? t('n_patient') : t('n_patients', { patients: number(patients) })}`
}
