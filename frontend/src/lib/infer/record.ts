/**
 * What a model file says of itself, read without the runtime, which does not tell: an ONNX file is one Protocol Buffers message
 * (https://protobuf.dev/programming-guides/encoding/), and field 14 of it holds pairs of text, one of which is our record.
 */

import type { Estimate } from '../types'

const METADATA_PROPS = 14
const KEY = 'deephealth'
const NEWEST_SCHEMA = 1

/** The part of src/deephealth/model/record.py that an answer needs. */
export interface ModelRecord {
  name: string
  labels: string[]
  channels: 1 | 3
  heatmap_scale: number
  novelty_threshold: number | null
  operating_points: { name: string; positive: string[]; threshold: number; sensitivity: RecordEstimate; specificity: RecordEstimate }[]
  conformal: { level: number; threshold: number } | null
}

export interface RecordEstimate extends Pick<Estimate, 'value' | 'low' | 'high'> {
  n_films: number
  n_patients: number
}

/** The bytes are not a model that the page can run. `code`: "not-a-model", "newer", "channels". */
export class NotAModel extends Error {
  constructor(
    readonly code: 'not-a-model' | 'newer' | 'channels',
    detail = '',
  ) {
    super(detail || code)
    this.name = 'NotAModel'
  }
}

/** The record of a model file. Throws NotAModel. */
export function readRecord(file: Uint8Array): ModelRecord {
  const text = metadata(file).get(KEY)
  if (text === undefined) throw new NotAModel('not-a-model', 'no Deep Health record')
  let found: Partial<ModelRecord> & { schema_version?: number }
  try {
    found = JSON.parse(text) as typeof found
  } catch {
    throw new NotAModel('not-a-model', 'a record that is no JSON')
  }
  if ((found.schema_version ?? 0) > NEWEST_SCHEMA) throw new NotAModel('newer')
  const { name, labels, novelty_threshold = null, channels = 1, heatmap_scale = 10, operating_points = [], conformal = null } = found
  if (!name || !labels || labels.length < 2 || novelty_threshold === 0) throw new NotAModel('not-a-model', 'a record without name, labels or threshold')
  // The page's decoder gives grey; a colour model's answers would differ from the service's.
  if (channels !== 1) throw new NotAModel('channels')
  return { name, labels, novelty_threshold, channels, heatmap_scale, operating_points, conformal }
}

/** The pairs of text in an ONNX file. Throws NotAModel when the bytes are no whole message. */
export function metadata(file: Uint8Array): Map<string, string> {
  const pairs = new Map<string, string>()
  for (const [number, value] of fields(file)) {
    if (number !== METADATA_PROPS || !value) continue
    const parts = new Map(fields(value))
    pairs.set(decoded(parts.get(1)), decoded(parts.get(2)))
  }
  return pairs
}

const decoded = (bytes: Uint8Array | null | undefined): string => new TextDecoder().decode(bytes ?? new Uint8Array())

/** Each field's number and, for those of bytes, its value. */
function* fields(data: Uint8Array): Generator<[number, Uint8Array | null]> {
  const varint = (): number => {
    for (let value = 0, scale = 1; at < data.length && scale < 2 ** 70; scale *= 128) {
      const byte = data[at++] as number
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
    throw new NotAModel('not-a-model', 'cut short')
  }
  let at = 0
  while (at < data.length) {
    const key = varint()
    const kind = key % 8
    if (kind === 0) {
      varint()
      yield [Math.floor(key / 8), null]
      continue
    }
    const size = kind === 2 ? varint() : kind === 1 ? 8 : kind === 5 ? 4 : NaN
    if (!(at + size <= data.length)) throw new NotAModel('not-a-model', 'cut short')
    yield [Math.floor(key / 8), data.subarray(at, at + size)]
    at += size
  }
}
