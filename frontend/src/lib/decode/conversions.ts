/** The few changes a film's pixels undergo before a model sees them, as src/deephealth/images/conversions.py makes them, to the byte. */

import { CannotDecode } from './errors'

/** The service's default limits, checked before anything is decoded. */
export const MOST_BYTES = 256_000_000
export const MOST_PIXELS = 64_000_000
const LONGEST_SIDE = 65_535

export interface Picture {
  pixels: Uint8Array
  width: number
  height: number
}

/** Refuse a film whose header announces no pixels or too many. */
export function checkSize(width: number, height: number): void {
  if (!(width > 0 && height > 0)) throw new CannotDecode('damaged', `${width} x ${height} pixels`)
  if (Math.max(width, height) > LONGEST_SIDE || width * height > MOST_PIXELS) throw new CannotDecode('too-large', `${width} x ${height} pixels`)
}

/** ITU-R BT.601 luma in 16-bit fixed point: red, green and blue 0..255 -> 0..255. */
export const luma = (red: number, green: number, blue: number): number => (19595 * red + 38470 * green + 7471 * blue + 32768) >>> 16

/** 16-bit samples divided by 257, rounded to nearest. */
export const toEightBits = (sample: number): number => Math.floor((sample + 128) / 257)

/** A sample 0..255 of opacity `alpha` 0..255 over black. */
export const overBlack = (sample: number, alpha: number): number => (alpha === 255 ? sample : Math.floor((sample * alpha + 127) / 255))

/** Turn stored pixels upright. orientation: the Exif tag 0x0112, 1 to 8; any other value means upright. */
export function orient(picture: Picture, orientation: number): Picture {
  if (!(orientation >= 2 && orientation <= 8)) return picture
  const { pixels, width, height } = picture
  const turned = orientation >= 5
  const mirrored = [2, 3, 6, 7].includes(orientation)
  const flipped = [3, 4, 7, 8].includes(orientation)
  const [columns, rows] = turned ? [height, width] : [width, height]
  const [stepX, stepY] = turned ? [width, 1] : [1, width]
  const upright = new Uint8Array(pixels.length)
  let at = 0
  for (let y = 0; y < rows; y++) {
    const sourceY = (flipped ? rows - 1 - y : y) * stepY
    for (let x = 0; x < columns; x++) upright[at++] = pixels[sourceY + (mirrored ? columns - 1 - x : x) * stepX] as number
  }
  return { pixels: upright, width: columns, height: rows }
}

/** The orientation tag of an Exif block ("II" or "MM" first); 1, upright, when absent or malformed. */
export function exifOrientation(tiff: Uint8Array): number {
  const mark = String.fromCharCode(...tiff.subarray(0, 2))
  if ((mark !== 'II' && mark !== 'MM') || tiff.length < 8) return 1
  const little = mark === 'II'
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.length)
  const start = view.getUint32(4, little)
  if (start + 2 > tiff.length) return 1
  const end = Math.min(start + 2 + 12 * view.getUint16(start, little), tiff.length - 11)
  for (let at = start + 2; at < end; at += 12) {
    if (view.getUint16(at, little) === 0x0112 && view.getUint16(at + 2, little) === 3) return view.getUint16(at + 8, little)
  }
  return 1
}
