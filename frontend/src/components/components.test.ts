import { beforeEach, expect, test } from 'vitest'
import type { Component } from 'svelte'
import { render } from 'svelte/server'
import { chosen } from '../i18n/index.svelte'
import { ApiError } from '../lib/api'
import type { Estimate } from '../lib/types'
import Confusion from './Confusion.svelte'
import Interval from './Interval.svelte'
import Lamp from './Lamp.svelte'
import LineChart from './LineChart.svelte'
import ProblemText from './ProblemText.svelte'

/** The text of a component, as a reader hears it: tags and comments away, spaces made one. */
function text<Props extends Record<string, unknown>>(component: Component<Props>, props: Props): string {
  const html = render(component as never, { props } as never).body
  return html.replace(/<!--.*?-->/gs, '').replace(/<[^>]*>/g, ' ').replace(/[\s\u00a0]+/g, ' ').replaceAll(' ,', ',').trim()
}
const estimate: Estimate = { value: 0.7917, low: 0.712, high: 0.861, films: 12345, patients: 96 }

beforeEach(() => chosen.use('en'))

test('an interval reads the same in both languages, each with its own numbers', () => {
  expect(text(Interval, { estimate, digits: 1 })).toBe('79.2 % [71.2–86.1], n = 12,345, 96 patients')
  chosen.use('es')
  expect(text(Interval, { estimate, digits: 1 })).toBe('79,2 % [71,2–86,1], n = 12.345, 96 pacientes')
})

test('an interval says what is undefined, and what has no interval', () => {
  expect(text(Interval, { estimate: { ...estimate, value: null } })).toContain('not defined')
  expect(text(Interval, { estimate: { ...estimate, low: null, patients: 0, films: 3 }, scale: 'number' })).toBe('0.79 [no interval], n = 3')
})

test('a cell of the confusion matrix says what it is, and an empty one is no button', () => {
  const html = render(Confusion, { props: { labels: ['normal', 'mine'], counts: [[8, 0], [2, 6]], onselect: () => {} } }).body
  expect(html).toContain('aria-label="2, 25 % of the row: films of mine answered as No pneumonia"')
  expect(html.match(/<button/g)).toHaveLength(3)
})

test('a lamp says its state in words', () => {
  expect(text(Lamp, { name: 'Leakage', lamp: { state: 'bad', text: 'Two patients stand on both sides.' } })).toBe(
    'Leakage: serious concern Two patients stand on both sides.',
  )
})

test('a chart has its last values in words, survives gaps, and says when it is empty', () => {
  const series = [{ name: 'loss', color: 'red', points: [[1, 0.9], [2, NaN], [3, 0.4]] as [number, number][] }]
  expect(render(LineChart, { props: { series, label: 'Loss', yLabel: 'loss' } }).body).toContain('aria-label="Loss. loss: 0.40 at the end"')
  expect(text(LineChart, { series: [], label: 'Loss', yLabel: 'loss' })).toContain('No values yet')
})

test('a problem is the sentence of the service, or ours where it gave none', () => {
  expect(text(ProblemText, { error: new ApiError(413, 'too-large', 'The film has 90 megapixels.') })).toBe('The film has 90 megapixels.')
  expect(text(ProblemText, { error: new ApiError(502, 'http-502', 'Bad Gateway') })).toBe('The service answered with an error (502); try again.')
  expect(text(ProblemText, { error: new ApiError(0, 'offline', 'Failed to fetch') })).toContain('does not answer')
  expect(text(ProblemText, { error: null })).toBe('')
})
