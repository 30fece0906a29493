import { describe, expect, it } from 'vitest'
import { refusal, significant } from './gate'
import { predictionOf, type Outputs } from './prediction'
import type { ModelRecord } from './record'

const estimate = { value: 0.9, low: 0.8, high: 1, n_films: 40, n_patients: 30 }
const RECORD: ModelRecord = {
  name: 'small',
  labels: ['normal', 'bacterial', 'viral'],
  channels: 1,
  heatmap_scale: 8,
  novelty_threshold: 2,
  operating_points: [{ name: 'any', positive: ['bacterial', 'viral'], threshold: 0.5, sensitivity: estimate, specificity: estimate }],
  conformal: null,
}
const outputs = (...shares: number[]): Outputs => ({
  probabilities: Float32Array.from(shares),
  novelty: 1,
  heatmap: Float32Array.from({ length: 12 }, (_, n) => n),
  grid: [2, 2],
  runMs: 5,
})
const film = { pixels: new Uint8Array(4), width: 2, height: 2, kind: 'png' as const, objections: [], warnings: ['does not say its modality'], sha256: 'ab', readMs: 3 }
const asked = { file: 'a.png', film, model: 'm', language: 'en' as const }

describe('the answer made in the page', () => {
  it('names the most probable label and applies the operating points', () => {
    const answer = predictionOf(outputs(0.25, 0.625, 0.125), RECORD, asked)
    expect(answer).toMatchObject({ label: 'bacterial', refused: false, reason: '', uncertain: false, conformal: null, file: 'a.png' })
    expect(answer.operating_points[0]).toMatchObject({ probability: 0.75, verdict: 'positive', sensitivity: { films: 40, patients: 30 } })
    expect(answer.timings_ms).toEqual({ read: 3, run: 5, total: 8 })
  })

  it('gives each label its rows of the heatmap', () => {
    const { heatmap } = predictionOf(outputs(1, 0, 0), RECORD, asked)
    expect(heatmap).toEqual({ grid: [2, 2], scale: 8, links: {}, values: { normal: [[0, 1], [2, 3]], bacterial: [[4, 5], [6, 7]], viral: [[8, 9], [10, 11]] } })
  })

  it('is uncertain when two labels are close and no rule says otherwise', () => {
    expect(predictionOf(outputs(0.5, 0.375, 0.125), RECORD, asked).uncertain).toBe(true)
    const ruled = { ...RECORD, conformal: { level: 0.9, threshold: 0.4 } }
    expect(predictionOf(outputs(0.5, 0.375, 0.125), ruled, asked)).toMatchObject({ uncertain: false, conformal: { level: 0.9, labels: ['normal'] } })
    expect(predictionOf(outputs(0.5, 0.4375, 0.0625), ruled, asked)).toMatchObject({ uncertain: true, conformal: { labels: ['normal', 'bacterial'] } })
  })

  it('refuses by novelty, in the language asked for, with its numbers all the same', () => {
    const strange = { ...outputs(1, 0, 0), novelty: 2.5 }
    const answer = predictionOf(strange, RECORD, { ...asked, language: 'es' })
    expect(answer).toMatchObject({ refused: true, reason_code: 'novelty', label: 'normal', warnings: ['no dice su modalidad'] })
    expect(answer.reason).toContain('novedad 2,5; el límite es 2)')
    expect(predictionOf({ ...strange, novelty: NaN }, RECORD, asked)).toMatchObject({ refused: true, novelty: null })
  })

  it('refuses by the tags first', () => {
    const objections = ['its modality is MR, expected a radiograph (CR, DX or RG)', 'its SOP class is 1.2.3.4, expected a radiograph']
    expect(refusal(9, 2, objections, 'en')).toEqual({ code: 'tags', reason: `By its own tags this is not a frontal chest film: ${objections.join('; ')}.` })
    expect(refusal(9, 2, objections, 'es').reason).toContain('su modalidad es MR y se esperaba una radiografía (CR, DX o RG); su clase SOP es 1.2.3.4 y')
  })

  it.each([
    [1.8064, '1.81'],
    [2, '2'],
    [0.00001234, '1.23e-05'],
    [1234.5, '1.23e+03'],
    [999.9, '1e+03'],
    [NaN, 'nan'],
    [Infinity, 'inf'],
  ])('writes %f as Python does: %s', (value, text) => expect(significant(value)).toBe(text))
})
