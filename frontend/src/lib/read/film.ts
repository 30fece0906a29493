/** From a file to greys on the screen, and to a thumbnail. */

import { ask } from '../api'
import { CannotDecode, decodeFilm } from '../decode'
import type { GreyFilm } from '../viewer'

/**
 * A film's greys, decoded in the page; what the page cannot decode the service draws, if the film may leave the device.
 * Throws CannotDecode when it may not, ApiError when the service cannot either.
 */
export async function greysOf(file: Blob, maySend: () => boolean): Promise<GreyFilm> {
  try {
    return await decodeFilm(file)
  } catch (error) {
    // Asked only now: the reader may have turned the switch while the page was trying.
    if (!maySend() || !(error instanceof CannotDecode)) throw error
    const body = new FormData()
    body.append('file', file, 'film')
    const answer = await ask('/previews', { method: 'POST', body })
    // Only the greys: the rest is said of the preview, not of the film.
    const { pixels, width, height } = await decodeFilm(await answer.blob())
    return { pixels, width, height }
  }
}

const SIDE = 96

/** A small picture of a film: the address of a blob, to be revoked by its owner. */
export async function thumbnailOf({ pixels, width, height }: GreyFilm): Promise<string> {
  const scale = Math.max(1, Math.floor(Math.max(width, height) / SIDE))
  const [columns, rows] = [Math.max(1, Math.floor(width / scale)), Math.max(1, Math.floor(height / scale))]
  const image = new ImageData(columns, rows)
  const words = new Uint32Array(image.data.buffer)
  for (let row = 0, at = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) words[at++] = 0xff000000 | (mean(pixels, width, row * scale, column * scale, scale) * 0x010101)
  }
  const canvas = new OffscreenCanvas(columns, rows)
  canvas.getContext('2d')?.putImageData(image, 0, 0)
  return URL.createObjectURL(await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.8 }))
}

/** The mean of a few pixels of a square: enough for a thumbnail, and quick on a film of any size. */
function mean(pixels: Uint8Array, width: number, top: number, left: number, side: number): number {
  const step = Math.max(1, side >> 2)
  let [sum, count] = [0, 0]
  for (let row = top; row < top + side; row += step) {
    for (let at = row * width + left; at < row * width + left + side; at += step) {
      sum += pixels[at]!
      count++
    }
  }
  return Math.round(sum / count)
}
