/** Adds /sw.js to the build: src/sw.ts with the list of the build's files in it, so that a new build is a new service worker. */

import { createHash } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { transformWithOxc, type Plugin } from 'vite'

const SOURCE = join(import.meta.dirname, 'src/sw.ts')

export function serviceWorker(): Plugin {
  let publicFolder = ''
  return {
    name: 'service-worker',
    apply: 'build',
    enforce: 'post',
    configResolved(config) {
      publicFolder = config.publicDir
    },
    async generateBundle(_, bundle) {
      const contents = createHash('sha256')
      const paths: string[] = []
      const add = (path: string, content: string | Uint8Array): void => {
        paths.push(path === 'index.html' ? '/' : `/${path}`)
        contents.update(`${path}\0`).update(content)
      }
      for (const path of Object.keys(bundle).sort()) {
        const file = bundle[path]
        if (file && !path.endsWith('.map')) add(path, file.type === 'chunk' ? file.code : file.source)
      }
      for (const path of publicFolder ? readdirSync(publicFolder).sort() : []) add(path, readFileSync(join(publicFolder, path)))
      const { code } = await transformWithOxc(readFileSync(SOURCE, 'utf8'), SOURCE)
      const source = code
        .replace('__BUILD__', JSON.stringify(contents.digest('hex').slice(0, 16)))
        .replace('__FILES__', JSON.stringify(paths))
        .replace(/export \{\s*\};?/, '')
      this.emitFile({ type: 'asset', fileName: 'sw.js', source })
    },
  }
}
