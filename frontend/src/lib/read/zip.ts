/** A zip archive of files stored as they are (PNG does not shrink further): APPNOTE.TXT 4.3, names in UTF-8, no zip64. */

export interface Stored {
  name: string
  bytes: Uint8Array<ArrayBuffer>
}

const UTF8 = 0x800
const VERSION = 20

/** Writes one file after the other; `close` gives the archive. */
export class ZipWriter {
  readonly #parts: BlobPart[] = []
  readonly #directory: Uint8Array<ArrayBuffer>[] = []
  readonly #time: [time: number, date: number]
  #size = 0

  constructor(now = new Date()) {
    this.#time = [
      (now.getHours() << 11) | (now.getMinutes() << 5) | (now.getSeconds() >> 1),
      ((now.getFullYear() - 1980) << 9) | ((now.getMonth() + 1) << 5) | now.getDate(),
    ]
  }

  add({ name, bytes }: Stored): void {
    if (this.#size + bytes.length > 0xffff_0000 || this.#directory.length >= 0xfffe) throw new RangeError('more than a zip archive holds')
    const title = new TextEncoder().encode(name)
    const facts = [VERSION, UTF8, 0, ...this.#time]
    const sizes = [crc32(bytes), bytes.length, bytes.length]
    const local = record(0x04034b50, facts, sizes, [title.length, 0], [], title)
    this.#directory.push(record(0x02014b50, [VERSION, ...facts], sizes, [title.length, 0, 0, 0, 0], [0, this.#size], title))
    // In a Blob at once: the browser may keep it on disk.
    this.#parts.push(local, new Blob([bytes]))
    this.#size += local.length + bytes.length
  }

  close(): Blob {
    const length = this.#directory.reduce((sum, entry) => sum + entry.length, 0)
    const count = this.#directory.length
    const end = record(0x06054b50, [0, 0, count, count], [length, this.#size], [0])
    return new Blob([...this.#parts, ...this.#directory, end], { type: 'application/zip' })
  }
}

/** A signature, then 16 and 32 bit numbers by turns, then bytes; all little-endian. */
function record(signature: number, shorts: number[], longs: number[], more: number[], rest: number[] = [], tail = new Uint8Array()): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 + 2 * (shorts.length + more.length) + 4 * (longs.length + rest.length) + tail.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, signature, true)
  let at = 4
  const put = (values: number[], size: 2 | 4) => {
    for (const value of values) {
      if (size === 2) view.setUint16(at, value, true)
      else view.setUint32(at, value, true)
      at += size
    }
  }
  put(shorts, 2)
  put(longs, 4)
  put(more, 2)
  put(rest, 4)
  bytes.set(tail, at)
  return bytes
}

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1
  return n
})

/** The check sum of zip and PNG (ISO 3309). */
export function crc32(bytes: Uint8Array): number {
  let sum = 0xffffffff
  for (const byte of bytes) sum = TABLE[(sum ^ byte) & 0xff]! ^ (sum >>> 8)
  return (sum ^ 0xffffffff) >>> 0
}
