/**
 * Grey values of a DICOM film as a viewer would show them: modality, values of interest, presentation, 8 bits (PS3.3 C.11, C.7.6.3).
 * The same arithmetic, in the same order, as src/deephealth/images/dicom_grey.py, so that both give the same bytes.
 */

import type { DataSet } from 'dicom-parser'
import { decimals, firstItem, short, text } from './dataset'
import { CannotDecode } from './errors'

/** A lookup table: values below `first` take the first entry, values past the end the last one. */
export interface Lut {
  first: number
  bits: number
  entries: Uint16Array
}

/** The values that are spread from black to white. */
export interface Window {
  center: number
  width: number
  function: string
}

export interface GreyRules {
  bitsStored: number
  signed: boolean
  slope: number
  intercept: number
  modalityLut: Lut | null
  voiLut: Lut | null
  window: Window | null
  invert: boolean
  /** Stored values, first and last, that are no part of the picture. */
  padding: [number, number] | null
  warnings: string[]
}

export type Stored = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array
const LARGEST_TABLE = 1 << 16

/** Round half to even, as numpy's rint. */
export function rint(value: number): number {
  const down = Math.floor(value)
  const part = value - down
  return part < 0.5 || (part === 0.5 && down % 2 === 0) ? down : down + 1
}

const lookUp = (lut: Lut, value: number): number => lut.entries[Math.min(Math.max(rint(value) - lut.first, 0), lut.entries.length - 1)] as number

/** 0 (black) to 1 (white), by the formulas of PS3.3 C.11.2.1.2 and C.11.2.1.3. */
export function windowed({ center, width, function: shape }: Window, value: number): number {
  if (shape === 'SIGMOID') return 1 / (1 + Math.exp(Math.min(Math.max((-4 * (value - center)) / width, -700), 700)))
  if (shape === 'LINEAR_EXACT') return clip((value - center) / width + 0.5)
  if (width === 1) return value > center - 0.5 ? 1 : 0
  return clip((value - (center - 0.5)) / (width - 1) + 0.5)
}

const clip = (share: number): number => Math.min(Math.max(share, 0), 1)

/** Read the rules from a data set. Throws CannotDecode when a tag that decides pixel values is malformed. */
export function greyRules(ds: DataSet): GreyRules {
  const signed = short(ds, 'x00280103') === 1
  const photometric = text(ds, 'x00280004')
  const shape = text(ds, 'x20500020')
  const slope = decimals(ds, 'x00281053')[0] ?? 1
  if (slope === 0) throw new CannotDecode('damaged', 'RescaleSlope 0')
  const warnings: string[] = []
  const voiLut = lut(ds, 'x00283010', signed)
  const window = voiLut ? null : firstWindow(ds, warnings)
  if (photometric === 'MONOCHROME1' && shape === 'IDENTITY') {
    warnings.push('says MONOCHROME1 and PresentationLUTShape IDENTITY, which contradict each other; shown as MONOCHROME1')
  }
  return {
    bitsStored: short(ds, 'x00280101') ?? 0,
    signed,
    slope,
    intercept: decimals(ds, 'x00281052')[0] ?? 0,
    modalityLut: lut(ds, 'x00283000', signed),
    voiLut,
    window,
    invert: photometric === 'MONOCHROME1' || shape === 'INVERSE',
    padding: padding(ds, signed),
    warnings,
  }
}

/** Stored values as grey pixels, 0 black to 255 white. Without a window, up to 8 bits keep their meaning and deeper samples are spread. */
export function render(stored: Stored, rules: GreyRules): Uint8Array {
  let [low, high] = [Infinity, -Infinity]
  for (const value of stored) {
    if (value < low) low = value
    if (value > high) high = value
  }
  const scale = rules.window || rules.voiLut ? ([0, 1] as const) : range(stored, rules, low, high)
  const pixels = new Uint8Array(stored.length)
  if (high - low >= LARGEST_TABLE) {
    for (let n = 0; n < stored.length; n++) pixels[n] = shade(stored[n] as number, rules, scale)
    return pixels
  }
  const table = Uint8Array.from({ length: high - low + 1 }, (_, n) => shade(low + n, rules, scale))
  for (let n = 0; n < stored.length; n++) pixels[n] = table[(stored[n] as number) - low] as number
  return pixels
}

const modality = (rules: GreyRules, stored: number): number =>
  rules.modalityLut ? lookUp(rules.modalityLut, stored) : stored * rules.slope + rules.intercept

function shade(stored: number, rules: GreyRules, [bottom, top]: readonly [number, number]): number {
  if (rules.padding && stored >= rules.padding[0] && stored <= rules.padding[1]) return 0
  const value = modality(rules, stored)
  let grey: number
  if (rules.voiLut) grey = lookUp(rules.voiLut, value) / ((1 << rules.voiLut.bits) - 1)
  else if (rules.window) grey = windowed(rules.window, value)
  else grey = top > bottom ? (value - bottom) / (top - bottom) : 0
  return Math.floor(clip(rules.invert ? 1 - grey : grey) * 255 + 0.5)
}

/** The modality values that become black and white when the film names none. */
function range(stored: Stored, rules: GreyRules, low: number, high: number): readonly [number, number] {
  let [bottom, top] = [Infinity, -Infinity]
  const count = (value: number): void => {
    const shown = modality(rules, value)
    if (shown < bottom) bottom = shown
    if (shown > top) top = shown
  }
  if (rules.bitsStored <= 8) {
    const first = rules.signed ? -(1 << (rules.bitsStored - 1)) : 0
    for (let n = 0; n < 1 << rules.bitsStored; n++) count(first + n)
    return [bottom, top]
  }
  const { padding } = rules
  const inside = (value: number): boolean => !padding || value < padding[0] || value > padding[1]
  if (high - low < LARGEST_TABLE) {
    const present = new Uint8Array(high - low + 1)
    for (const value of stored) present[value - low] = 1
    present.forEach((there, n) => there && inside(low + n) && count(low + n))
  } else for (const value of stored) if (inside(value)) count(value)
  if (bottom > top) for (const value of [low, high]) count(value) // nothing but padding
  return [bottom, top]
}

function firstWindow(ds: DataSet, warnings: string[]): Window | null {
  const [center] = decimals(ds, 'x00281050')
  const [width] = decimals(ds, 'x00281051')
  if (center === undefined || width === undefined) return null
  const shape = (text(ds, 'x00281056') || 'LINEAR').toUpperCase()
  if (!['LINEAR', 'LINEAR_EXACT', 'SIGMOID'].includes(shape)) throw new CannotDecode('damaged', 'VOILUTFunction')
  if (shape === 'LINEAR' ? width < 1 : width <= 0) {
    warnings.push(`has a window of width ${width}, which cannot be used; the full range of values is shown`)
    return null
  }
  return { center, width, function: shape }
}

function lut(ds: DataSet, sequence: string, signed: boolean): Lut | null {
  const item = firstItem(ds, sequence)
  if (!item) return null
  const data = item.elements['x00283006']
  const [count = 0, first = 0, bits = 0] = [item.uint16('x00283002', 0), descriptorFirst(item, signed), item.uint16('x00283002', 2)]
  const wanted = count || 1 << 16
  if (!data || bits < 8 || bits > 16) throw new CannotDecode('damaged', 'lookup table')
  const narrow = bits === 8 && data.length < 2 * wanted
  if (data.length < (narrow ? wanted : 2 * wanted)) throw new CannotDecode('damaged', 'lookup table')
  const bytes = item.byteArray
  const entries = Uint16Array.from({ length: wanted }, (_, n) =>
    narrow ? (bytes[data.dataOffset + n] as number) : item.byteArrayParser.readUint16(bytes, data.dataOffset + 2 * n),
  )
  return { first, bits, entries }
}

/** The first value mapped: signed or not as the descriptor's kind says, or as the pixels are where it does not (PS3.3 C.11.1.1.1). */
function descriptorFirst(item: DataSet, signed: boolean): number | undefined {
  const kind = item.elements['x00283002']?.vr
  return kind === 'SS' || (kind !== 'US' && signed) ? item.int16('x00283002', 1) : item.uint16('x00283002', 1)
}

function padding(ds: DataSet, signed: boolean): [number, number] | null {
  const first = short(ds, 'x00280120', signed)
  if (first === undefined) return null
  const last = short(ds, 'x00280121', signed) ?? first
  return [Math.min(first, last), Math.max(first, last)]
}
