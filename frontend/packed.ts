/** Adds a gzip beside the runtime of the models, so that no small machine has to pack 14 MB at the first request for it. */

import { gzipSync } from 'node:zlib'
import type { Plugin } from 'vite'

export function packed(): Plugin {
  return {
    name: 'packed',
    apply: 'build',
    enforce: 'post',
    generateBundle(_, bundle) {
      for (const [path, file] of Object.entries(bundle)) {
        if (file.type === 'asset' && path.endsWith('.wasm')) this.emitFile({ type: 'asset', fileName: `${path}.gz`, source: gzipSync(file.source, { level: 9 }) })
      }
    },
  }
}
