/**
 * PNG without the browser's decoder: a canvas has 8 bits, multiplies by the alpha and may apply a colour profile; the service does none of it.
 * Portable Network Graphics, third edition (W3C 2025): sections 5 (chunks), 7 and 9 (passes, filters), 11.3.1 (transparency).
 */

import { checkSize, exifOrientation, luma, orient, overBlack, toEightBits, type Picture } from './conversions'
import { crc32 } from './crc32'
import { CannotDecode } from './errors'
import { latin } from './sniff'
import { inflate } from './inflate'

interface Png {
  width: number
  height: number
  depth: number
  colour: number
  interlaced: boolean
  palette: Uint8Array
  transparency: Uint8Array | null
  orientation: number
  data: Uint8Array[]
}

const SAMPLES: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }
const DEPTHS: Record<number, number[]> = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] }
/** Adam7: first column, first row, step across, step down of each pass. */
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const

/** A PNG film as upright grey pixels. Throws CannotDecode when it is damaged, cut short, animated or too large. */
export async function decodePng(bytes: Uint8Array): Promise<Picture> {
  const png = readChunks(bytes)
  const passes = png.interlaced ? PASSES : ([[0, 0, 1, 1]] as const)
  const bits = png.depth * (SAMPLES[png.colour] as number)
  const sizes = passes.map(([x, y, across, down]) => {
    const columns = Math.max(0, Math.ceil((png.width - x) / across))
    return { columns, rows: columns ? Math.max(0, Math.ceil((png.height - y) / down)) : 0, stride: Math.ceil((columns * bits) / 8) }
  })
  const wanted = sizes.reduce((sum, { rows, stride }) => sum + rows * (stride + 1), 0)
  const raw = await inflate(png.data, 'deflate', wanted)
  if (raw.length < wanted) throw new CannotDecode('damaged', 'PNG data are cut short')
  const pixels = new Uint8Array(png.width * png.height)
  const grey = greyOf(png)
  let at = 0
  sizes.forEach(({ columns, rows, stride }, pass) => {
    const [left, top, across, down] = passes[pass] as readonly [number, number, number, number]
    unfilter(raw, at, rows, stride, Math.max(1, bits >> 3))
    for (let row = 0; row < rows; row++) {
      const line = raw.subarray(at + 1, at + 1 + stride)
      let place = (top + row * down) * png.width + left
      for (let column = 0; column < columns; column++, place += across) pixels[place] = grey(line, column)
      at += stride + 1
    }
  })
  return orient({ pixels, width: png.width, height: png.height }, png.orientation)
}

function readChunks(bytes: Uint8Array): Png {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let png: Png | undefined
  for (let at = 8; at + 12 <= bytes.length; ) {
    const size = view.getUint32(at)
    const kind = latin(bytes, at + 4, at + 8)
    const body = bytes.subarray(at + 8, at + 8 + size)
    if (body.length < size) break
    // The pixels have a check sum of their own, which the inflater looks at.
    if (kind !== 'IDAT' && crc32(bytes.subarray(at + 4, at + 8 + size)) !== view.getUint32(at + 8 + size)) break
    if (kind === 'IHDR') png = header(body)
    else if (!png) break
    else if (kind === 'IDAT') png.data.push(body)
    else if (kind === 'PLTE') png.palette = body
    else if (kind === 'tRNS') png.transparency = body
    else if (kind === 'eXIf') png.orientation = exifOrientation(body)
    else if (kind === 'acTL' && size >= 4 && view.getUint32(at + 8) > 1) throw new CannotDecode('frames', 'animated PNG')
    else if (kind === 'IEND') return png
    at += 12 + size
  }
  throw new CannotDecode('damaged', 'PNG chunks')
}

function header(body: Uint8Array): Png {
  const view = new DataView(body.buffer, body.byteOffset, body.length)
  if (body.length < 13) throw new CannotDecode('damaged', 'PNG header')
  const [width, height] = [view.getUint32(0), view.getUint32(4)]
  const [depth, colour, interlace] = [body[8], body[9], body[12]] as [number, number, number]
  checkSize(width, height)
  if (!DEPTHS[colour]?.includes(depth) || interlace > 1) throw new CannotDecode('damaged', 'PNG header')
  return { width, height, depth, colour, interlaced: interlace === 1, palette: new Uint8Array(), transparency: null, orientation: 1, data: [] }
}

/** Undo the filters of one pass in place. `wide`: bytes of a whole pixel, at least one. */
function unfilter(raw: Uint8Array, start: number, rows: number, stride: number, wide: number): void {
  let above: Uint8Array = new Uint8Array(stride)
  for (let row = 0; row < rows; row++) {
    const at = start + row * (stride + 1)
    const line = raw.subarray(at + 1, at + 1 + stride)
    const filter = raw[at]
    if (filter === 1) for (let n = wide; n < stride; n++) line[n] = (line[n] as number) + (line[n - wide] as number)
    else if (filter === 2) for (let n = 0; n < stride; n++) line[n] = (line[n] as number) + (above[n] as number)
    else if (filter === 3) {
      for (let n = 0; n < stride; n++) line[n] = (line[n] as number) + (((n < wide ? 0 : (line[n - wide] as number)) + (above[n] as number)) >> 1)
    } else if (filter === 4) paeth(line, above, wide)
    else if (filter !== 0) throw new CannotDecode('damaged', 'PNG filter')
    above = line
  }
}

function paeth(line: Uint8Array, above: Uint8Array, wide: number): void {
  for (let n = 0; n < line.length; n++) {
    const left = n < wide ? 0 : (line[n - wide] as number)
    const up = above[n] as number
    const corner = n < wide ? 0 : (above[n - wide] as number)
    const toLeft = Math.abs(up - corner)
    const toUp = Math.abs(left - corner)
    const toCorner = Math.abs(left + up - 2 * corner)
    line[n] = (line[n] as number) + (toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner)
  }
}

/** How a line's nth pixel becomes grey: a closure for the file's kind, so that nothing is decided again for each pixel. */
function greyOf(png: Png): (line: Uint8Array, column: number) => number {
  const at = (line: Uint8Array, n: number): number => line[n] as number
  const wide = (line: Uint8Array, n: number): number => (at(line, 2 * n) << 8) | at(line, 2 * n + 1)
  const sample = png.depth === 16 ? (line: Uint8Array, n: number) => toEightBits(wide(line, n)) : at
  const hidden = png.transparency
  const key = (n: number): number => (hidden && hidden.length >= 2 * n + 2 ? ((hidden[2 * n] as number) << 8) | (hidden[2 * n + 1] as number) : -1)
  switch (png.colour) {
    case 0: {
      const none = key(0)
      if (png.depth === 16) return (line, x) => (wide(line, x) === none ? 0 : sample(line, x))
      if (png.depth === 8) return (line, x) => (at(line, x) === none ? 0 : at(line, x))
      const full = 255 / ((1 << png.depth) - 1)
      return (line, x) => packed(line, x, png.depth) * full
    }
    case 2: {
      const [red, green, blue] = [key(0), key(1), key(2)]
      return (line, x) => {
        const [r, g, b] = [sample(line, 3 * x), sample(line, 3 * x + 1), sample(line, 3 * x + 2)]
        return png.depth === 8 && r === red && g === green && b === blue ? 0 : luma(r, g, b)
      }
    }
    case 3: {
      const shades = paletteGreys(png)
      return (line, x) => at(shades, png.depth === 8 ? at(line, x) : packed(line, x, png.depth))
    }
    case 4:
      return (line, x) => overBlack(sample(line, 2 * x), sample(line, 2 * x + 1))
    default:
      return (line, x) => {
        const alpha = sample(line, 4 * x + 3)
        return luma(overBlack(sample(line, 4 * x), alpha), overBlack(sample(line, 4 * x + 1), alpha), overBlack(sample(line, 4 * x + 2), alpha))
      }
  }
}

const packed = (line: Uint8Array, x: number, depth: number): number =>
  ((line[(x * depth) >> 3] as number) >> (8 - depth - ((x * depth) & 7))) & ((1 << depth) - 1)

function paletteGreys({ palette, transparency }: Png): Uint8Array {
  const shades = new Uint8Array(256)
  for (let n = 0; 3 * n + 2 < palette.length && n < 256; n++) {
    const alpha = transparency?.[n] ?? 255
    const [r, g, b] = [palette[3 * n], palette[3 * n + 1], palette[3 * n + 2]] as [number, number, number]
    shades[n] = luma(overBlack(r, alpha), overBlack(g, alpha), overBlack(b, alpha))
  }
  return shades
}
