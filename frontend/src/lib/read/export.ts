/** Answers as CSV and JSON, to the letter what `deephealth predict` writes (src/deephealth/inference/batch.py). */

import type { Prediction } from '../types'

/** CSV text with the columns file, label, p_<label>..., novelty, refused (true or false), reason; empty where unreadable. */
export function toCsv(predictions: readonly Prediction[], labels: readonly string[]): string {
  const head = ['file', 'label', ...labels.map((label) => `p_${cell(label)}`), 'novelty', 'refused', 'reason']
  const rows = predictions.map((one) => [
    cell(one.file),
    cell(one.label),
    ...labels.map((label) => (Object.hasOwn(one.probabilities, label) ? one.probabilities[label]!.toFixed(6) : '')),
    one.novelty === null ? '' : general(one.novelty),
    String(one.refused),
    cell(one.reason),
  ])
  return [head, ...rows].map((row) => row.map(quoted).join(',') + '\n').join('')
}

/** A JSON list of objects: file, label, probabilities, novelty (null if unreadable), refused, reason, model, warnings. */
export function toJson(predictions: readonly Prediction[]): string {
  const rows = predictions.map(({ file, label, probabilities, novelty, refused, reason, model, warnings }) => ({
    file,
    label,
    probabilities: Object.fromEntries(Object.entries(probabilities).map(([name, p]) => [name, short(p)])),
    novelty: novelty === null ? null : short(novelty),
    refused,
    reason,
    model,
    warnings,
  }))
  return JSON.stringify(rows, null, 2) + '\n'
}

/** A name for the picture of a film that may lie in folders or an archive: never a path, never one already `taken`. */
export function pictureName(film: string, taken: Set<string>): string {
  const stem =
    film
      .replace(/(?<=[^/.][^/]*)\.[^./]*$/, '')
      .replace(/[^\p{L}\p{N}_.-]+/gu, '_')
      .replace(/^[._]+|[._]+$/g, '')
      .slice(-120) || 'film'
  let name = `${stem}.png`
  for (let number = 2; taken.has(name); number++) name = `${stem}-${number}.png`
  taken.add(name)
  return name
}

/** A file name that a spreadsheet would run as a formula gets an apostrophe before it; control characters become escapes. */
function cell(text: string): string {
  return (/^[=+\-@\t\r]/.test(text) ? "'" : '') + printable(text)
}

function printable(text: string): string {
  // As Python's str.isprintable: other (C) and separators (Z), the space alone excepted.
  if (!/[\p{C}\p{Z}]/u.test(text.replaceAll(' ', ''))) return text
  const named: Record<string, string> = { '\t': '\\t', '\n': '\\n', '\r': '\\r' }
  return [...text].map((letter) => (letter !== ' ' && /[\p{C}\p{Z}]/u.test(letter) ? (named[letter] ?? escaped(letter)) : letter)).join('')
}

function escaped(letter: string): string {
  const code = letter.codePointAt(0)!
  const [mark, digits] = code < 0x100 ? ['x', 2] : code < 0x10000 ? ['u', 4] : (['U', 8] as const)
  return `\\${mark}${code.toString(16).padStart(digits as number, '0')}`
}

function quoted(text: string): string {
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** As Python's format ".6g": six digits, no trailing zeros. */
function general(value: number): string {
  const exponent = value === 0 ? 0 : Math.floor(Math.log10(Math.abs(Number(value.toExponential(5)))))
  if (exponent >= -4 && exponent < 6) return String(Number(value.toPrecision(6)))
  const [digits, power] = value.toExponential(5).split('e') as [string, string]
  return `${Number(digits)}e${power[0]}${power.slice(1).padStart(2, '0')}`
}

/** At most seven significant digits: what a float32 holds. */
function short(value: number): number {
  return Number(value.toPrecision(7))
}
