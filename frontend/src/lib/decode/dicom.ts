/** DICOM films: uncompressed, deflated, or JPEG baseline of 8 bits; the rest is for the service. As src/deephealth/images/dicom.py. */

import * as parser from 'dicom-parser'
import { checkSize, luma, type Picture } from './conversions'
import { BIG_ENDIAN, EXPLICIT, IMPLICIT, JPEG_8, decimals, parseDicom, short, text, type DicomFile } from './dataset'
import { greyRules, render, type Stored } from './dicom_grey'
import { cautions, objections } from './dicom_tags'
import { CannotDecode } from './errors'
import { jpegHeader, storedGrey } from './jpeg'

export interface DicomPicture extends Picture {
  objections: string[]
  warnings: string[]
}

const PIXELS = 'x7fe00010'

interface Shape {
  width: number
  height: number
  samples: number
  allocated: number
  stored: number
  signed: boolean
}

/** A DICOM film as grey pixels, with what its tags say against it. Throws CannotDecode. */
export async function decodeDicom(bytes: Uint8Array): Promise<DicomPicture> {
  const file = await parseDicom(bytes)
  const ds = file.dataSet
  const shape = checkHeader(file)
  const said = { objections: objections(ds), warnings: cautions(ds) }
  if (shape.samples === 3) return { ...(await colour(file, shape)), ...said }
  const photometric = text(ds, 'x00280004')
  if (photometric === 'PALETTE COLOR') throw new CannotDecode('colour', 'palette')
  // Which end is black must not be guessed.
  if (!/^MONOCHROME[12]$/.test(photometric)) throw new CannotDecode('damaged', 'photometric interpretation')
  const rules = greyRules(ds)
  const stored = file.syntax === JPEG_8 ? await jpegSamples(ds, shape) : nativeSamples(file, shape)
  const { width, height } = shape
  return { pixels: render(stored, rules), width, height, objections: said.objections, warnings: [...rules.warnings, ...said.warnings] }
}

/** Refuse what is no single film of a known kind, before any pixel is touched. */
function checkHeader({ dataSet: ds, syntax, mediaClass }: DicomFile): Shape {
  if (mediaClass === '1.2.840.10008.1.3.10') throw new CannotDecode('no-pixels', 'DICOMDIR')
  const [height, width] = [short(ds, 'x00280010'), short(ds, 'x00280011')]
  if (height === undefined || width === undefined || !ds.elements[PIXELS]) throw new CannotDecode('no-pixels')
  checkSize(width, height)
  if ((decimals(ds, 'x00280008')[0] ?? 1) > 1) throw new CannotDecode('frames')
  const [allocated, stored, samples] = [short(ds, 'x00280100') ?? 0, short(ds, 'x00280101') ?? 0, short(ds, 'x00280002') ?? 1]
  if (![1, 3].includes(samples) || ![8, 16, 32].includes(allocated) || stored < 1 || stored > allocated) {
    throw new CannotDecode('damaged', `${samples} samples of ${stored} in ${allocated} bits`)
  }
  if (![IMPLICIT, EXPLICIT, BIG_ENDIAN, JPEG_8].includes(syntax)) throw new CannotDecode('transfer-syntax', syntax)
  return { width, height, samples, allocated, stored, signed: short(ds, 'x00280103') === 1 }
}

/** The uncompressed samples, with the bits that are not stored cleared or, for signed ones, filled with the sign. */
function nativeSamples({ dataSet: ds, syntax }: DicomFile, { width, height, samples, allocated, stored, signed }: Shape): Stored {
  const element = ds.elements[PIXELS] as parser.Element
  const count = width * height * samples
  const size = allocated >> 3
  if (element.fragments || element.length < count * size || element.dataOffset + count * size > ds.byteArray.length) {
    throw new CannotDecode('damaged', 'pixels are cut short')
  }
  // A copy, since samples of several bytes have to be aligned.
  const bytes = ds.byteArray.slice(element.dataOffset, element.dataOffset + count * size + (count & 1))
  const big = syntax === BIG_ENDIAN
  if (big && (size > 1 || element.vr === 'OW')) swap(bytes, Math.max(size, 2))
  const Kind = { 1: [Uint8Array, Int8Array], 2: [Uint16Array, Int16Array], 4: [Uint32Array, Int32Array] }[size as 1 | 2 | 4][signed ? 1 : 0]
  const found = new (Kind as typeof Uint16Array)(bytes.buffer, 0, count)
  const spare = 32 - stored
  if (stored < allocated) found.forEach((value, n) => (found[n] = signed ? (value << spare) >> spare : (value << spare) >>> spare))
  return found
}

function swap(bytes: Uint8Array, size: number): void {
  for (let at = 0; at + size <= bytes.length; at += size) bytes.subarray(at, at + size).reverse()
}

/** The samples of an 8-bit grey JPEG frame, whose size has to be the data set's. */
async function jpegSamples(ds: parser.DataSet, { width, height, allocated }: Shape): Promise<Stored> {
  const element = ds.elements[PIXELS] as parser.Element
  if (!element.fragments?.length) throw new CannotDecode('damaged', 'no frame')
  const frame = parser.readEncapsulatedPixelDataFromFragments(ds, element, 0, element.fragments.length) as Uint8Array
  const header = jpegHeader(frame)
  if (header.width !== width || header.height !== height || allocated !== 8) throw new CannotDecode('damaged', 'frame and data set differ')
  if (header.components !== 1) throw new CannotDecode('colour')
  return (await storedGrey(frame, header)).pixels
}

/** Luma of uncompressed red, green and blue of 8 bits; colour of any other kind is for the service. */
async function colour(file: DicomFile, shape: Shape): Promise<Picture> {
  if (file.syntax === JPEG_8 || text(file.dataSet, 'x00280004') !== 'RGB' || shape.stored !== 8 || shape.allocated !== 8 || shape.signed) {
    throw new CannotDecode('colour')
  }
  const samples = nativeSamples(file, shape)
  const { width, height } = shape
  const area = width * height
  const planes = short(file.dataSet, 'x00280006') === 1
  const [step, next] = planes ? [1, area] : [3, 1]
  const at = (n: number): number => samples[n] as number
  const pixels = Uint8Array.from({ length: area }, (_, n) => luma(at(n * step), at(n * step + next), at(n * step + 2 * next)))
  return { pixels, width, height }
}
