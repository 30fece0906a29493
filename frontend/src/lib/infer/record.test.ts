import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { metadata, NotAModel, readRecord } from './record'

/** One field of bytes: key, length, content. */
function field(number: number, content: Uint8Array | string): Uint8Array {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
  return Uint8Array.from([...varint(number * 8 + 2), ...varint(bytes.length), ...bytes])
}

function varint(value: number): number[] {
  const bytes: number[] = []
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 128)
  return [...bytes, value]
}

const joined = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]))
const pair = (key: string, value: string): Uint8Array => field(14, joined(field(1, key), field(2, value)))
const RECORD = { schema_version: 1, name: 'small', labels: ['normal', 'viral'], novelty_threshold: 1.5 }
const file = (record: object): Uint8Array => joined(Uint8Array.from([8, 10]), field(7, 'x'.repeat(300)), pair('other', 'ñ'), pair('deephealth', JSON.stringify(record)))

describe('what a model file says of itself', () => {
  it('reads the pairs beside the graph, whatever stands between', () => {
    const fixed = Uint8Array.from([...varint(9 * 8 + 1), 1, 2, 3, 4, 5, 6, 7, 8, ...varint(10 * 8 + 5), 1, 2, 3, 4])
    expect([...metadata(joined(fixed, file(RECORD)))]).toEqual([
      ['other', 'ñ'],
      ['deephealth', JSON.stringify(RECORD)],
    ])
  })

  it('fills in what an older record leaves out', () => {
    expect(readRecord(file(RECORD))).toMatchObject({ ...{ name: 'small', labels: ['normal', 'viral'] }, channels: 1, heatmap_scale: 10, conformal: null })
  })

  it('reads the model that ships', () => {
    const record = readRecord(readFileSync('../src/deephealth/data/deephealth-small.onnx'))
    expect(record.labels).toEqual(['normal', 'bacterial', 'viral'])
    expect(record.operating_points[0]?.sensitivity.n_films).toBeGreaterThan(0)
  })

  it.each([
    ['cut short', file(RECORD).slice(0, -5), 'not-a-model'],
    ['a picture', Uint8Array.from([0xff, 0xd8, 0xff, 0xe0, 0, 16]), 'not-a-model'],
    ['without a record', pair('other', '{}'), 'not-a-model'],
    ['a record that is no JSON', pair('deephealth', '{'), 'not-a-model'],
    ['a newer record', file({ ...RECORD, schema_version: 2 }), 'newer'],
    ['a colour model', file({ ...RECORD, channels: 3 }), 'channels'],
  ])('refuses one that is %s', (_, bytes, code) => {
    expect(() => readRecord(bytes)).toThrow(expect.objectContaining({ code }) as NotAModel)
  })
})
