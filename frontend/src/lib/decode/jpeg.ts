/**
 * JPEG by the browser's own decoder, yet equal to the service's to the byte.
 *
 * A browser gives RGB, and going back from RGB to the Y that is stored would round twice. So the file is handed over without its
 * application segments (colour profile, Exif, JFIF) and with one that says "these components are RGB" (Adobe, transform 0): the decoder
 * then leaves them alone, and its red is the stored Y. Real RGB files go through the luma formula.
 */

import { checkSize, exifOrientation, luma, orient, type Picture } from './conversions'
import { CannotDecode } from './errors'
import { latin } from './sniff'

export interface JpegHeader {
  width: number
  height: number
  components: number
  precision: number
  /** The last half-byte of the SOF marker: 0 baseline, 1 extended, 2 progressive, 3 lossless. */
  process: number
  orientation: number
  /** Whether the components are red, green and blue as they stand. */
  rgb: boolean
  /** Where the application and comment segments lie: [first, after last] each. */
  extras: [number, number][]
}

/** Walk the markers up to the first frame header (ITU-T T.81, B.1.1). */
export function jpegHeader(bytes: Uint8Array): JpegHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let [at, orientation, jfif, adobe] = [2, 1, false, -1]
  const extras: [number, number][] = []
  while (at + 4 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1] as number
    if (marker === 0xff || marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += marker === 0xff ? 1 : 2
      continue
    }
    const next = at + 2 + view.getUint16(at + 2)
    const name = latin(bytes, at + 4, at + 10)
    if ((marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) || marker === 0xf7) {
      if (next < at + 10 || at + 10 > bytes.length) break
      const components = bytes[at + 9] as number
      const letters = [0, 1, 2].map((n) => String.fromCharCode(bytes[at + 10 + 3 * n] ?? 0)).join('')
      const rgb = components === 3 && !jfif && (adobe >= 0 ? adobe === 0 : letters === 'RGB')
      const [height, width] = [view.getUint16(at + 5), view.getUint16(at + 7)]
      return { width, height, components, precision: bytes[at + 4] as number, process: marker & 0xf, orientation, rgb, extras }
    }
    if (marker === 0xd9 || marker === 0xda) break
    if (marker === 0xe1 && name === 'Exif\0\0') orientation = exifOrientation(bytes.subarray(at + 10, next))
    if (marker === 0xe0 && name.startsWith('JFIF\0')) jfif = true
    if (marker === 0xee && name.startsWith('Adobe')) adobe = bytes[at + 15] ?? -1
    if ((marker >= 0xe0 && marker <= 0xef) || marker === 0xfe) extras.push([at, next])
    at = next
  }
  throw new CannotDecode('damaged', 'no JPEG frame header')
}

/** Adobe's segment: version 100, no flags, transform 0, "the components are what they are". */
const AS_THEY_ARE = new Uint8Array([0xff, 0xee, 0, 14, 0x41, 0x64, 0x6f, 0x62, 0x65, 0, 100, 0, 0, 0, 0, 0])

/** The file's pieces without what would make the decoder turn or recolour the stored samples. */
export function plainJpeg(bytes: Uint8Array, header: JpegHeader): Uint8Array[] {
  const pieces: Uint8Array[] = [bytes.subarray(0, 2)]
  if (header.components === 3) pieces.push(AS_THEY_ARE)
  let at = 2
  for (const [first, after] of header.extras) {
    pieces.push(bytes.subarray(at, first))
    at = after
  }
  pieces.push(bytes.subarray(at))
  return pieces
}

/** The Y of an 8-bit JPEG, as it is stored. Throws CannotDecode for what is cut short, not 8-bit, or of four components. */
export async function storedGrey(bytes: Uint8Array, header = jpegHeader(bytes)): Promise<Picture> {
  checkSize(header.width, header.height)
  if (header.precision !== 8 || header.process > 2) throw new CannotDecode('transfer-syntax', `JPEG of ${header.precision} bits`)
  if (header.components !== 1 && header.components !== 3) throw new CannotDecode('colour', `${header.components} components`)
  // Browsers fill up a film that is cut short with grey; the service refuses it.
  if (!ends(bytes)) throw new CannotDecode('damaged', 'no end of image')
  const blob = new Blob(plainJpeg(bytes, header) as Uint8Array<ArrayBuffer>[], { type: 'image/jpeg' })
  let bitmap: ImageBitmap
  try {
    bitmap = await createImageBitmap(blob, { colorSpaceConversion: 'none', premultiplyAlpha: 'none' })
  } catch {
    throw new CannotDecode('damaged', 'JPEG data')
  }
  try {
    if (bitmap.width !== header.width || bitmap.height !== header.height) throw new CannotDecode('damaged', 'size')
    return readBack(bitmap, header.rgb)
  } finally {
    bitmap.close()
  }
}

/** A JPEG film, upright. */
export async function decodeJpeg(bytes: Uint8Array): Promise<Picture> {
  const header = jpegHeader(bytes)
  return orient(await storedGrey(bytes, header), header.orientation)
}

/** Whether the end marker stands in the file, after which only padding or a maker's trailer may follow. */
function ends(bytes: Uint8Array): boolean {
  for (let at = bytes.length - 2; at >= 0; at--) {
    if (bytes[at] === 0xff && bytes[at + 1] === 0xd9) return true
    if (bytes.length - at > 1 << 20) return false
  }
  return false
}

const STRIP_PIXELS = 1 << 20

/** One channel, or the luma, of a bitmap, read in strips: four bytes a pixel of the whole film would be a quarter of a gigabyte at the limit. */
function readBack(bitmap: ImageBitmap, rgb: boolean): Picture {
  const { width, height } = bitmap
  const rows = Math.min(height, Math.max(1, Math.floor(STRIP_PIXELS / width)))
  const canvas = new OffscreenCanvas(width, rows)
  const pen = canvas.getContext('2d', { willReadFrequently: true, alpha: false })
  if (!pen) throw new CannotDecode('noise', 'no canvas')
  refuseNoise(pen)
  const pixels = new Uint8Array(width * height)
  for (let top = 0; top < height; top += rows) {
    pen.drawImage(bitmap, 0, -top)
    const part = Math.min(rows, height - top)
    const { data } = pen.getImageData(0, 0, width, part)
    const base = top * width
    const count = part * width
    if (rgb) for (let n = 0; n < count; n++) pixels[base + n] = luma(data[4 * n] as number, data[4 * n + 1] as number, data[4 * n + 2] as number)
    else for (let n = 0; n < count; n++) pixels[base + n] = data[4 * n] as number
  }
  return { pixels, width, height }
}

/** Some browsers change pixels that are read back, so that a site cannot recognise the device; an answer to those would be another's. */
function refuseNoise(pen: OffscreenCanvasRenderingContext2D): void {
  const { width, height } = pen.canvas
  const across = Math.min(width, 64)
  const down = Math.min(height, 16)
  const known = new ImageData(across, down)
  for (let n = 0; n < known.data.length; n++) known.data[n] = n % 4 === 3 ? 255 : (n * 37) & 0xff
  pen.putImageData(known, 0, 0)
  const seen = pen.getImageData(0, 0, across, down).data
  if (known.data.some((value, n) => value !== seen[n])) throw new CannotDecode('noise')
}
