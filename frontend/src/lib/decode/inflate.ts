/** Unpacking with the browser's own inflater, never past what was announced. */

import { CannotDecode } from './errors'

/**
 * At most `limit` bytes out of `pieces`; the rest is not unpacked. `format`: zlib ("deflate") or bare ("deflate-raw").
 * Throws CannotDecode for damage, unless `forgiving`: then what came out before is given.
 */
export async function inflate(
  pieces: Uint8Array[],
  format: 'deflate' | 'deflate-raw',
  limit: number,
  { forgiving = false } = {},
): Promise<Uint8Array> {
  const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(to) {
      for (const piece of pieces) to.enqueue(piece as Uint8Array<ArrayBuffer>)
      to.close()
    },
  })
  const reader = source.pipeThrough(new DecompressionStream(format)).getReader()
  let whole = new Uint8Array(Math.min(limit, 1 << 20))
  let size = 0
  try {
    while (size < limit) {
      const { done, value } = await reader.read()
      if (done) break
      const part = value.subarray(0, limit - size)
      if (size + part.length > whole.length) whole = grown(whole, size + part.length, limit)
      whole.set(part, size)
      size += part.length
    }
    // The check sum stands at the end of the stream, and only whoever reads on is told that it is wrong.
    if (size === limit) await reader.read()
  } catch {
    if (!forgiving) throw new CannotDecode('damaged', 'packed data')
  } finally {
    reader.cancel().catch(() => undefined)
  }
  return whole.subarray(0, size)
}

function grown(bytes: Uint8Array, wanted: number, limit: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.min(limit, Math.max(wanted, 2 * bytes.length)))
  larger.set(bytes)
  return larger
}
