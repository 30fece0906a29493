// ask.mjs REQUEST ANSWER: load a TensorFlow.js layers model as its users do and ask it about each picture of the request.
// The request is JSON: folder, shape [H, W, C], count, pixels (a file of float32, one picture after another), backend ("wasm" or "cpu").
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const tf = { ...require("@tensorflow/tfjs-core"), ...require("@tensorflow/tfjs-layers") };
const [requestPath, answerPath] = process.argv.slice(2);
const request = JSON.parse(readFileSync(requestPath, "utf8"));

const engine = require(`@tensorflow/tfjs-backend-${request.backend}`);
if (request.backend === "wasm") {
  engine.setWasmPaths(join(dirname(require.resolve("@tensorflow/tfjs-backend-wasm")), "/"));
}
await tf.setBackend(request.backend);
await tf.ready();

const json = JSON.parse(readFileSync(join(request.folder, "model.json"), "utf8"));
const specs = json.weightsManifest.flatMap((group) => group.weights);
const parts = json.weightsManifest.flatMap((group) => group.paths).map((path) => readFileSync(join(request.folder, path.split("/").pop())));
const weights = Buffer.concat(parts);
const artefacts = {
  modelTopology: json.modelTopology,
  weightSpecs: specs,
  weightData: weights.buffer.slice(weights.byteOffset, weights.byteOffset + weights.byteLength),
};
const model = await tf.loadLayersModel(tf.io.fromMemory(artefacts));

const bytes = readFileSync(request.pixels);
const all = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
const length = request.shape.reduce((product, side) => product * side, 1);
const probabilities = [];
let began = 0;
for (let number = -1; number < request.count; number += 1) {
  if (number === 0) began = performance.now(); // the call before was to plan
  const first = Math.max(number, 0) * length;
  const input = tf.tensor(all.subarray(first, first + length), [1, ...request.shape]);
  const output = model.predict(input);
  if (number >= 0) probabilities.push(Array.from(await output.data()));
  tf.dispose([input, output]);
}
const milliseconds = (performance.now() - began) / request.count;
const runtime = `@tensorflow/tfjs-layers ${tf.version_layers} (${tf.getBackend()}) on node ${process.versions.node}`;
writeFileSync(answerPath, JSON.stringify({ probabilities, milliseconds, runtime }));
