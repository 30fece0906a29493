/** A thread that decodes films, so that the page never waits for one. */

import { CannotDecode } from './decode/errors'
import { decodeBytes } from './decode/film'

export interface Decode {
  id: number
  file: Blob
}

onmessage = async ({ data: { id, file } }: MessageEvent<Decode>) => {
  try {
    const film = await decodeBytes(file)
    postMessage({ id, film }, { transfer: [film.pixels.buffer] })
  } catch (error) {
    // Whatever a damaged file led the code into, a lack of memory included, is said of that film and not left unanswered.
    const code = error instanceof CannotDecode ? error.code : error instanceof RangeError && /alloc|length/i.test(error.message) ? 'too-large' : 'damaged'
    postMessage({ id, code, detail: error instanceof CannotDecode ? error.detail : String(error) })
  }
}
