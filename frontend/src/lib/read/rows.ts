/** Which films the table shows, in which order, and which of its rows are drawn. */

import type { Film } from './films.svelte'

export type Status = '' | 'answered' | 'uncertain' | 'refused' | 'unreadable' | 'failed' | 'waiting'

export interface Wanted {
  text: string
  label: string
  status: Status
}

/** by: "" (as added), "name", "label", "novelty", "state" or "p:LABEL". */
export interface Sorting {
  by: string
  down: boolean
}

/** What the table knows of a film. */
export type Row = Pick<Film, 'name' | 'state' | 'prediction'>

/** Pixels of a row's height. */
export const ROW = 44
const BEYOND = 8

export function rowsOf<R extends Row>(films: readonly R[], { text, label, status }: Wanted, { by, down }: Sorting): R[] {
  const sought = text.trim().toLocaleLowerCase()
  const found = films.filter(
    (film) =>
      (!sought || film.name.toLocaleLowerCase().includes(sought)) &&
      (!label || (film.prediction?.label === label && !film.prediction.refused)) &&
      (!status || is(film, status)),
  )
  if (!by) return found
  const names = new Intl.Collator(undefined, { numeric: true })
  const compare = (a: string | number, b: string | number) => (typeof a === 'string' ? names.compare(a, String(b)) : a - Number(b))
  const keyed = found.map((film) => ({ film, key: keyOf(film, by) }))
  // What has no value stands last either way.
  return keyed
    .sort((a, b) => (a.key === null || b.key === null ? Number(a.key === null) - Number(b.key === null) : (down ? -1 : 1) * compare(a.key, b.key)))
    .map(({ film }) => film)
}

function is({ state, prediction }: Row, status: Status): boolean {
  if (status === 'waiting') return state === 'waiting' || state === 'working' || state === 'cancelled'
  if (status === 'failed') return state === 'failed' || state === 'held'
  if (state !== 'answered' || !prediction) return false
  if (status === 'answered') return !prediction.refused
  if (status === 'uncertain') return prediction.uncertain && !prediction.refused
  return status === 'unreadable' ? prediction.error : prediction.refused && !prediction.error
}

const STATES = ['answered', 'uncertain', 'refused', 'unreadable', 'failed', 'waiting'] as const

function keyOf(film: Row, by: string): string | number | null {
  const { prediction } = film
  if (by === 'name') return film.name
  // "State" sorts by trouble: the clear answers at one end, the refused and failed ones at the other.
  if (by === 'state') return STATES.findLastIndex((status) => is(film, status))
  if (!prediction) return null
  if (by === 'novelty') return prediction.novelty
  if (by === 'label') return prediction.refused ? null : prediction.label
  return prediction.probabilities[by.slice(2)] ?? null
}

/** The rows that are drawn for a box scrolled to `top`, and the empty pixels above and below them. */
export function windowOf(top: number, height: number, count: number): { first: number; last: number; above: number; below: number } {
  const first = Math.max(0, Math.min(Math.floor(top / ROW) - BEYOND, count))
  const last = Math.min(count, Math.max(first, Math.ceil((top + height) / ROW) + BEYOND))
  return { first, last, above: first * ROW, below: (count - last) * ROW }
}
