/** Model files kept on this device, so that the page answers without a network. A file is kept under its SHA-256 and never changes. */

import { BASE } from '../api'
import { sha256 } from '../sha256'

const KEEP = 'deephealth-models'
const NAME = 'X-Model-Name'

/** Where the service gives the file out; also its key in the store. */
const address = (id: string): string => `${BASE}/models/${id}/file`

export interface KeptModel {
  id: string
  name: string
}

/** The browser's store; none on plain http from another machine, where browsers do not offer it. */
const store = async (): Promise<Cache | null> => ('caches' in globalThis ? await caches.open(KEEP).catch(() => null) : null)

/** The models on this device. */
export async function keptModels(): Promise<KeptModel[]> {
  const kept = await store()
  const found = await Promise.all(
    ((await kept?.keys()) ?? []).map(async (request) => {
      const name = (await kept?.match(request))?.headers.get(NAME)
      const id = /models\/([0-9a-f]{64})\/file$/.exec(request.url)?.[1]
      return id ? { id, name: decodeURIComponent(name ?? '') || id.slice(0, 12) } : null
    }),
  )
  return found.filter((model) => model !== null)
}

/** The file's bytes if it is kept whole. */
export async function kept(id: string): Promise<Uint8Array | null> {
  const held = await store()
  const response = await held?.match(address(id))
  if (!response) return null
  const bytes = new Uint8Array(await response.arrayBuffer())
  if ((await sha256(bytes)) === id) return bytes
  await held?.delete(address(id))
  return null
}

/** Keep a file. A full disk or a private window only means that it is fetched again next time. */
export async function keep(id: string, name: string, bytes: Uint8Array): Promise<void> {
  const headers = { 'Content-Type': 'application/octet-stream', [NAME]: encodeURIComponent(name) }
  const held = await store()
  await held?.put(address(id), new Response(bytes.slice(), { headers })).catch(() => undefined)
}

/** Forget every model kept on this device. */
export async function forgetModels(): Promise<void> {
  if ('caches' in globalThis) await caches.delete(KEEP)
}

export { address as modelAddress }
