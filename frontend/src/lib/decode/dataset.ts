/** A DICOM file's data set, with or without preamble, in any uncompressed, deflated or encapsulated encoding; and its values as the rules want them. */

import * as parser from 'dicom-parser'
import { MOST_BYTES } from './conversions'
import { CannotDecode } from './errors'
import { inflate } from './inflate'
import { latin } from './sniff'

// The library has this class but its types do not say so.
const { DataSet } = parser as unknown as {
  DataSet: new (order: parser.ByteArrayParser, bytes: Uint8Array, elements: Record<string, parser.Element>) => parser.DataSet
}

const TS = '1.2.840.10008.1.2'
export const IMPLICIT = TS
export const EXPLICIT = TS + '.1'
export const BIG_ENDIAN = TS + '.2'
export const DEFLATED = TS + '.1.99'
export const JPEG_8 = TS + '.4.50'

export interface DicomFile {
  dataSet: parser.DataSet
  syntax: string
  /** Of the file meta group; "" when there is none. */
  mediaClass: string
}

/** Parse everything but foreign nonsense after the pixels. Throws CannotDecode for what is no DICOM data set. */
export async function parseDicom(bytes: Uint8Array): Promise<DicomFile> {
  const { start, syntax: named, mediaClass } = fileMeta(bytes)
  let data = bytes
  let at = start
  let syntax = named || guess(bytes, start)
  if (syntax === DEFLATED) {
    data = await deflated(bytes.subarray(start))
    if (data.length === MOST_BYTES) throw new CannotDecode('too-large', 'unpacked')
    at = 0
    syntax = EXPLICIT
  }
  const order = syntax === BIG_ENDIAN ? parser.bigEndianByteArrayParser : parser.littleEndianByteArrayParser
  const dataSet = new DataSet(order, data, {})
  const stream = new parser.ByteStream(order, data, at)
  try {
    if (syntax === IMPLICIT) parser.parseDicomDataSetImplicit(dataSet, stream)
    else parser.parseDicomDataSetExplicit(dataSet, stream)
  } catch {
    // As the service does: what was read up to the damage counts if it holds the pixels.
    if (!dataSet.elements['x7fe00010']) throw new CannotDecode('damaged', 'DICOM data')
  }
  return { dataSet, syntax, mediaClass }
}

/**
 * A deflated data set. What may follow it (a null byte for an even length, PS3.5 A.5; some writers leave gzip's check sum) is damage to the
 * browser's inflater, so the last bytes go in one by one and what came out before counts; pixels that are cut short are noticed later.
 */
async function deflated(bytes: Uint8Array): Promise<Uint8Array> {
  const last = Math.max(0, bytes.length - 16)
  const pieces = [bytes.subarray(0, last), ...Array.from({ length: bytes.length - last }, (_, n) => bytes.subarray(last + n, last + n + 1))]
  return inflate(pieces, 'deflate-raw', MOST_BYTES, { forgiving: true })
}

/** Where the data set starts and what the file meta group says (PS3.10, 7.1). */
function fileMeta(bytes: Uint8Array): { start: number; syntax: string; mediaClass: string } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = latin(bytes, 128, 132) === 'DICM' ? 132 : 0
  let [syntax, mediaClass] = ['', '']
  while (at + 8 <= bytes.length && view.getUint16(at, true) === 0x0002) {
    const element = view.getUint16(at + 2, true)
    const long = ['OB', 'OW', 'UN', 'SQ', 'UT'].includes(latin(bytes, at + 4, at + 6))
    if (long && at + 12 > bytes.length) break
    const size = long ? view.getUint32(at + 8, true) : view.getUint16(at + 6, true)
    const value = at + (long ? 12 : 8)
    const text = (): string => latin(bytes, value, Math.min(value + size, value + 64)).replace(/[\0 ]+$/, '')
    if (element === 0x0010) syntax = text()
    else if (element === 0x0002) mediaClass = text()
    at = value + size
  }
  return { start: at, syntax, mediaClass }
}

/** The encoding of a data set that no file meta group names: are there two capital letters where an explicit one has its kind? */
function guess(bytes: Uint8Array, at: number): string {
  if (!/^[A-Z]{2}$/.test(latin(bytes, at + 4, at + 6))) return IMPLICIT
  return (bytes[at] ?? 0) === 0 && (bytes[at + 1] ?? 0) !== 0 ? BIG_ENDIAN : EXPLICIT
}

// ---- Values ---------------------------------------------------------------------------------------------------------

/** A tag as text: stripped, several values joined by a backslash, control characters replaced, "" when absent. */
export function text(ds: parser.DataSet, tag: string): string {
  const element = ds.elements[tag]
  if (!element || element.items || element.fragments) return ''
  const bytes = ds.byteArray.subarray(element.dataOffset, element.dataOffset + element.length)
  const utf8 = /192/.test(tag === 'x00080005' ? '' : text(ds, 'x00080005'))
  const whole = new TextDecoder(utf8 ? 'utf-8' : 'latin1').decode(bytes)
  const values = whole.split('\\').map((value) => value.replace(/^[ \0]+|[ \0]+$/g, ''))
  // eslint-disable-next-line no-control-regex
  return values.join('\\').replace(/[\0-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/g, '?')
}

/** Numbers in text (DS, IS); [] when absent. Throws CannotDecode when it is no finite number. */
export function decimals(ds: parser.DataSet, tag: string): number[] {
  const found = text(ds, tag)
  if (!found) return []
  const numbers = found.split('\\').map((part) => (part.trim() ? Number(part) : NaN))
  if (!numbers.every(Number.isFinite)) throw new CannotDecode('damaged', tag)
  return numbers
}

/** The first number of 16 bits of a tag; undefined when absent. */
export function short(ds: parser.DataSet, tag: string, signed = false): number | undefined {
  const element = ds.elements[tag]
  if (!element || element.length < 2) return undefined
  return signed ? ds.int16(tag) : ds.uint16(tag)
}

/** The data set of a sequence's first item. */
export const firstItem = (ds: parser.DataSet, tag: string): parser.DataSet | undefined => ds.elements[tag]?.items?.[0]?.dataSet
