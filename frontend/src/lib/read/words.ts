/** Answers in words, as both languages say them. */

import { className, number } from '../../i18n/index.svelte'
import { filmsOf, filmsOfEach, read as t } from '../../i18n/read'
import type { Heatmap, Prediction } from '../types'
import { resultOf } from './result'

/** "Pattern like the bacterial films; uncertain against the viral films. In films like these 8 of 10 such answers were right (n = 412)." */
export function plain(prediction: Prediction): string {
  const { label, against, none, right } = resultOf(prediction)
  const end = none ? t('none') : against.length ? t('against', { films: filmsOfEach(against) }) : '.'
  const proof = right ? ' ' + t('right', { right: right.right, of: right.of, films: number(right.films) }) : ''
  return t('like', { films: filmsOf(label) }) + end + proof
}

/** An answer of any kind in one sentence, for those who hear the page. */
export function announced(prediction: Prediction): string {
  return prediction.refused ? `${t(prediction.error ? 'unreadable' : 'refused')}. ${prediction.reason}` : plain(prediction)
}

const PLACES = ['where_0', 'where_1', 'where_2', 'where_3', 'where_4', 'where_5', 'where_6', 'where_7', 'where_8'] as const

/** Where in the picture the most evidence for a label lies: a map for those who do not see it. */
export function strongest(heatmap: Heatmap, label: string): string {
  const rows = heatmap.values[label] ?? []
  let [most, row, column] = [0, -1, -1]
  rows.forEach((values, down) =>
    values.forEach((value, across) => {
      if (value > most) [most, row, column] = [value, down, across]
    }),
  )
  if (row < 0) return t('why_heat_none', { label: className(label) })
  const third = (place: number, of: number) => Math.min(2, Math.floor((3 * (place + 0.5)) / of))
  return t('why_heat_where', { label: className(label), where: t(PLACES[3 * third(row, heatmap.grid[0]) + third(column, heatmap.grid[1])]!) })
}
