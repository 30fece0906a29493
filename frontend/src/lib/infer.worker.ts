/** A thread that runs one model. Its runtime is fetched only when this worker starts. */

import * as ort from 'onnxruntime-web/wasm'
import runtime from 'onnxruntime-web/ort-wasm-simd-threaded.wasm?url'
import type { Outputs } from './infer/prediction'
import { NotAModel, readRecord } from './infer/record'

export type Order = { id: number } & ({ model: Uint8Array } | { pixels: Uint8Array; width: number; height: number })

// One thread: a film takes some 50 ms as it is, and more need a page that is isolated from all others.
ort.env.wasm.numThreads = 1
ort.env.wasm.wasmPaths = { wasm: runtime }
ort.env.logLevel = 'error'

let session: ort.InferenceSession | null = null

async function load(model: Uint8Array): Promise<object> {
  const record = readRecord(model)
  session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'] })
  return { record }
}

async function run(pixels: Uint8Array, width: number, height: number): Promise<{ outputs: Outputs }> {
  if (!session) throw new Error('no model')
  const started = performance.now()
  const image = new ort.Tensor('uint8', pixels, [height, width])
  const answer = await session.run({ image }, ['probabilities', 'novelty', 'heatmap'])
  const [probabilities, novelty, heatmap] = [answer.probabilities, answer.novelty, answer.heatmap] as [ort.Tensor, ort.Tensor, ort.Tensor]
  const outputs: Outputs = {
    probabilities: probabilities.data as Float32Array,
    novelty: Number(novelty.data[0]),
    heatmap: heatmap.data as Float32Array,
    grid: [heatmap.dims[1] ?? 0, heatmap.dims[2] ?? 0],
    runMs: performance.now() - started,
  }
  return { outputs }
}

// One film after another: a second run of the same session would wait anyway.
let last: Promise<unknown> = Promise.resolve()
onmessage = ({ data }: MessageEvent<Order>) => {
  last = last.then(async () => {
    try {
      postMessage({ id: data.id, ...('model' in data ? await load(data.model) : await run(data.pixels, data.width, data.height)) })
    } catch (error) {
      // Whatever the runtime throws has no common kind; whoever asked is told.
      postMessage({ id: data.id, code: error instanceof NotAModel ? error.code : 'failed', detail: String(error) })
    }
  })
}
