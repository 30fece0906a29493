/** Two languages, equal: each area of the page has one dictionary, typed so that neither language can miss a sentence. */

import { speak } from '../lib/api'
import type { Language } from '../lib/types'

const KEY = 'deephealth.language'

function preferred(): Language {
  const kept = localStorage.getItem(KEY)
  if (kept === 'en' || kept === 'es') return kept
  return navigator.languages.find((tag) => /^(en|es)\b/.test(tag))?.startsWith('es') ? 'es' : 'en'
}

class Chosen {
  language = $state<Language>(preferred())

  constructor() {
    this.#apply()
  }

  use(language: Language): void {
    this.language = language
    localStorage.setItem(KEY, language)
    this.#apply()
  }

  #apply(): void {
    speak(this.language)
    document.documentElement.lang = this.language
  }
}

export const chosen = new Chosen()

export type Dictionary<Key extends string> = Record<Key, readonly [en: string, es: string]>

/** The function that gives an area's sentences: t('key', {name}) with {braces} filled. Reading it in a component follows the language. */
export function dictionary<Key extends string>(entries: Dictionary<Key>) {
  return (key: Key, values: Record<string, string | number> = {}): string =>
    entries[key][chosen.language === 'es' ? 1 : 0].replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
}

/** A number as the language writes it. */
export function number(value: number, digits = 0): string {
  return new Intl.NumberFormat(chosen.language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value)
}

/** A share 0..1 as a percentage. */
export function percent(value: number, digits = 1): string {
  return `${number(100 * value, digits)} %`
}

/** A size in bytes as people say it: 6.7 MB. */
export function bytes(size: number): string {
  const step = size < 1000 ? 0 : Math.min(3, Math.floor(Math.log10(size) / 3))
  const value = size / 1000 ** step
  return `${number(value, step && value < 10 ? 1 : 0)} ${['B', 'kB', 'MB', 'GB'][step]}`
}

/** A day and time of the service (ISO 8601), in the reader's own zone. */
export function moment(time: string): string {
  return new Intl.DateTimeFormat(chosen.language === 'en' ? 'en-GB' : 'es', { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(time))
}

/** The names of the known classes in the reader's language; others as they are. */
export const className = (() => {
  const known: Dictionary<string> = {
    normal: ['No pneumonia', 'Sin neumonía'],
    bacterial: ['Bacterial', 'Bacteriana'],
    viral: ['Viral', 'Vírica'],
    covid: ['COVID-19', 'COVID-19'],
    other: ['Other', 'Otros'],
  }
  return (label: string): string => known[label]?.[chosen.language === 'es' ? 1 : 0] ?? label
})()
