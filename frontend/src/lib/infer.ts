/**
 * The model in the page: the same ONNX file that the service runs, in a thread of its own; the film never leaves the device.
 *
 * The file is fetched once from our own host, its SHA-256 checked, and kept on the device (infer/store.ts).
 */

import { ApiError, ask, spoken } from './api'
import type { DecodedFilm } from './decode'
import { predictionOf, type Outputs } from './infer/prediction'
import type { ModelRecord } from './infer/record'
import { keep, kept, modelAddress } from './infer/store'
import { keepPage } from './offline'
import { sha256 } from './sha256'
import type { Prediction } from './types'

export { forgetModels, keptModels, type KeptModel } from './infer/store'

export interface LocalModel {
  /** SHA-256 of the file. */
  readonly id: string
  readonly name: string
  readonly labels: string[]
  /** The answer the service would give, but for `heatmap.links`, which is empty. Rejects with CannotRun. */
  answer(film: DecodedFilm, name: string): Promise<Prediction>
  /** End the thread and give its memory back. */
  close(): void
}

/** Why a model cannot be run in the page. `code`, a key of i18n/local.ts: "offline", "fetch", "altered", "not-a-model", "newer", "channels", "failed". */
export class CannotRun extends Error {
  constructor(
    readonly code: string,
    detail = '',
  ) {
    super(detail ? `${code}: ${detail}` : code)
    this.name = 'CannotRun'
  }
}

/** The model `id` ready to answer. progress: share 0..1 of the file fetched. Rejects with CannotRun. */
export async function loadLocalModel(id: string, progress: (share: number) => void = () => undefined): Promise<LocalModel> {
  const known = await kept(id)
  const bytes = known ?? (await fetched(id, progress))
  progress(1)
  // The thread takes the bytes over, so what is kept is kept first.
  const model = await start(id, known ? bytes : bytes.slice())
  if (!known) await keep(id, model.name, bytes)
  // From now on the page is wanted without a network too; nobody waits for that.
  void keepPage()
  return model
}

/** A model from a file at hand. Rejects with CannotRun. */
export async function openLocalModel(file: Blob): Promise<LocalModel> {
  const bytes = new Uint8Array(await file.arrayBuffer())
  return start(await sha256(bytes), bytes)
}

async function fetched(id: string, progress: (share: number) => void): Promise<Uint8Array> {
  let bytes: Uint8Array
  try {
    bytes = await body(await ask(modelAddress(id)), progress)
  } catch (error) {
    throw new CannotRun(error instanceof ApiError && error.code !== 'offline' ? 'fetch' : 'offline', String(error))
  }
  if ((await sha256(bytes)) !== id) throw new CannotRun('altered')
  return bytes
}

async function body(response: Response, progress: (share: number) => void): Promise<Uint8Array> {
  // A compressed answer's length is not that of the file.
  const total = response.headers.has('Content-Encoding') ? 0 : Number(response.headers.get('Content-Length') ?? 0)
  const pieces: Uint8Array<ArrayBuffer>[] = []
  let size = 0
  const reader = response.body?.getReader()
  for (let part = await reader?.read(); part?.value; part = await reader?.read()) {
    pieces.push(part.value as Uint8Array<ArrayBuffer>)
    size += part.value.length
    if (total) progress(Math.min(size / total, 1))
  }
  return new Uint8Array(await new Blob(pieces).arrayBuffer())
}

// ---- The thread -----------------------------------------------------------------------------------------------------

type Reply = { id: number } & ({ record: ModelRecord } | { outputs: Outputs } | { code: string; detail: string })

async function start(id: string, bytes: Uint8Array): Promise<LocalModel> {
  const thread = new Thread()
  try {
    const { record } = (await thread.ask({ model: bytes }, [bytes.buffer])) as { record: ModelRecord }
    return new Running(id, record, thread)
  } catch (error) {
    thread.end()
    throw error
  }
}

class Running implements LocalModel {
  readonly name: string
  readonly labels: string[]

  constructor(
    readonly id: string,
    private readonly record: ModelRecord,
    private readonly thread: Thread,
  ) {
    this.name = record.name
    this.labels = record.labels
  }

  async answer(film: DecodedFilm, name: string): Promise<Prediction> {
    const language = spoken()
    const { pixels, width, height } = film
    const { outputs } = (await this.thread.ask({ pixels, width, height })) as { outputs: Outputs }
    return predictionOf(outputs, this.record, { file: name, film, model: this.id, language })
  }

  close(): void {
    this.thread.end()
  }
}

/** A worker and the questions it has not answered yet. */
class Thread {
  readonly #worker = new Worker(new URL('./infer.worker.ts', import.meta.url), { type: 'module' })
  readonly #waiting = new Map<number, { resolve(reply: Reply): void; reject(error: CannotRun): void }>()
  #next = 0
  #ended = ''

  constructor() {
    this.#worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      const waiting = this.#waiting.get(data.id)
      this.#waiting.delete(data.id)
      if ('code' in data) waiting?.reject(new CannotRun(data.code, data.detail))
      else waiting?.resolve(data)
    }
    this.#worker.onerror = (event) => this.end(event.message)
  }

  ask(order: object, transfer: Transferable[] = []): Promise<Reply> {
    const id = this.#next++
    if (this.#ended) return Promise.reject(new CannotRun('failed', this.#ended))
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#worker.postMessage({ id, ...order }, transfer)
    })
  }

  end(detail = 'the thread has ended'): void {
    this.#worker.terminate()
    this.#ended = detail
    for (const { reject } of this.#waiting.values()) reject(new CannotRun('failed', detail))
    this.#waiting.clear()
  }
}
