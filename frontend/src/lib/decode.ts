/**
 * A film's file -> its grey pixels, as the service's `images` layer gives them, decoded on this device in a thread of its own.
 *
 * PNG and DICOM without loss are equal to the byte, and so is JPEG in Chromium. docs/in-browser.md says what is not decoded here.
 */

import { CannotDecode } from './decode/errors'

export { CannotDecode } from './decode/errors'

export interface DecodedFilm {
  /** Grey, row by row, width * height, 0 black to 255 white. */
  pixels: Uint8Array
  width: number
  height: number
  kind: 'jpeg' | 'png' | 'dicom'
  /** Why, by its own tags, it is not a frontal chest film; in English, as the service's reasons are made. */
  objections: string[]
  /** What to know of it all the same. */
  warnings: string[]
  /** Of the file's bytes. */
  sha256: string
  /** Time taken to read and decode, milliseconds. */
  readMs: number
}

type Answer = { id: number } & ({ film: DecodedFilm } | { code: string; detail: string })
interface Waiting {
  resolve(film: DecodedFilm): void
  reject(error: CannotDecode): void
}

/** The decoding thread and who waits for it; it ends when nothing has been asked for a while. */
class Decoder {
  #worker: Worker | null = null
  #waiting = new Map<number, Waiting>()
  #next = 0
  #idle: ReturnType<typeof setTimeout> | undefined

  decode(file: Blob): Promise<DecodedFilm> {
    clearTimeout(this.#idle)
    const worker = (this.#worker ??= this.#start())
    const id = this.#next++
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      worker.postMessage({ id, file })
    })
  }

  #start(): Worker {
    const worker = new Worker(new URL('./decode.worker.ts', import.meta.url), { type: 'module' })
    worker.onmessage = ({ data }: MessageEvent<Answer>) => {
      const waiting = this.#waiting.get(data.id)
      this.#waiting.delete(data.id)
      if ('film' in data) waiting?.resolve(data.film)
      else waiting?.reject(new CannotDecode(data.code, data.detail))
      if (!this.#waiting.size) this.#idle = setTimeout(() => this.#stop(), 30_000)
    }
    // The thread itself died, of memory most likely: whoever waits is told, and the next film gets a new one.
    worker.onerror = () => this.#stop()
    return worker
  }

  #stop(): void {
    this.#worker?.terminate()
    this.#worker = null
    for (const { reject } of this.#waiting.values()) reject(new CannotDecode('damaged', 'the decoder ended'))
    this.#waiting.clear()
  }
}

const decoder = new Decoder()

/** Decode one film. Rejects with CannotDecode, whose code says why and whose `serviceReads` whether sending it may help. */
export const decodeFilm = (file: Blob): Promise<DecodedFilm> => decoder.decode(file)
