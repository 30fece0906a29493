import { deflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { crc32 } from './crc32'
import { decodePng } from './png'

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

function chunk(kind: string, body: Uint8Array): Uint8Array {
  const whole = Buffer.concat([Buffer.alloc(4), Buffer.from(kind), body, Buffer.alloc(4)])
  whole.writeUInt32BE(body.length, 0)
  whole.writeUInt32BE(crc32(whole.subarray(4, -4)), whole.length - 4)
  return whole
}

/** A PNG of these lines, each with its filter first. */
function png(width: number, height: number, depth: number, colour: number, lines: number[][], { interlace = 0, more = [] as Uint8Array[] } = {}): Uint8Array {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([depth, colour, 0, 0, interlace], 8)
  const parts = [Buffer.from(SIGNATURE), chunk('IHDR', header), ...more, chunk('IDAT', deflateSync(Uint8Array.from(lines.flat()))), chunk('IEND', Buffer.alloc(0))]
  return new Uint8Array(Buffer.concat(parts))
}

const pixels = async (file: Uint8Array): Promise<number[]> => [...(await decodePng(file)).pixels]

describe('PNG without the browser', () => {
  it('divides 16 bits by 257 and rounds to nearest', async () => {
    // 128 / 257 is below a half, 129 above; 65535 is white.
    expect(await pixels(png(4, 1, 16, 0, [[0, 0, 128, 0, 129, 0x80, 0x80, 0xff, 0xff]]))).toEqual([0, 1, 128, 255])
  })

  it('undoes every filter', async () => {
    const lines = [
      [1, 10, 5, 5],
      [2, 1, 1, 1],
      [3, 5, 5, 5],
      [4, 1, 1, 1],
      [0, 7, 8, 9],
    ]
    expect(await pixels(png(3, 5, 8, 0, lines))).toEqual([10, 15, 20, 11, 16, 21, 10, 18, 24, 11, 19, 25, 7, 8, 9])
  })

  it('puts the seven passes together', async () => {
    // 2 x 2: pass 1 holds the corner, pass 6 the pixel beside it, pass 7 the row below.
    expect(await pixels(png(2, 2, 8, 0, [[0, 1], [0, 2], [0, 3, 4]], { interlace: 1 }))).toEqual([1, 2, 3, 4])
  })

  it('reads samples of one to four bits over their full range', async () => {
    expect(await pixels(png(3, 1, 1, 0, [[0, 0b10100000]]))).toEqual([255, 0, 255])
    expect(await pixels(png(3, 1, 4, 0, [[0, 0x0f, 0x50]]))).toEqual([0, 255, 85])
  })

  it('makes colour grey by luma, over black where it is transparent', async () => {
    expect(await pixels(png(2, 1, 8, 2, [[0, 255, 0, 0, 10, 20, 30]]))).toEqual([76, 18])
    expect(await pixels(png(2, 1, 8, 6, [[0, 200, 200, 200, 128, 9, 9, 9, 0]]))).toEqual([100, 0])
    const palette = [chunk('PLTE', Uint8Array.from([0, 0, 0, 255, 255, 255])), chunk('tRNS', Uint8Array.from([255, 51]))]
    expect(await pixels(png(2, 1, 8, 3, [[0, 1, 0]], { more: palette }))).toEqual([51, 0])
  })

  it('has the check sum of the standard', () => expect(crc32(Buffer.from('IEND'))).toBe(0xae426082))

  it.each([
    ['damaged', 'changed in its palette', png(1, 1, 8, 3, [[0, 0]], { more: [chunk('PLTE', Uint8Array.from([9, 9, 9])).fill(8, 8, 9)] })],
    ['damaged', 'cut short', png(4, 4, 8, 0, [[0, 1, 2, 3, 4]])],
    ['damaged', 'without an end', png(1, 1, 8, 0, [[0, 1]]).slice(0, -12)],
    ['damaged', 'of an unknown filter', png(1, 1, 8, 0, [[9, 1]])],
    ['too-large', 'larger than the limit', png(60_000, 60_000, 8, 0, [[0]])],
    ['frames', 'animated', png(1, 1, 8, 0, [[0, 1]], { more: [chunk('acTL', Uint8Array.from([0, 0, 0, 2, 0, 0, 0, 0]))] })],
  ])('says "%s" of one that is %s', async (code, _, file) => {
    await expect(decodePng(file)).rejects.toMatchObject({ code })
  })
})
