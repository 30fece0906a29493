/**
 * The page without a network, once its reader has asked for answers in this browser only (lib/offline.ts registers this; nobody else does).
 *
 * It keeps the files of the build that ships, and nothing else ever: no film, no answer of the API, no other address. With a network the page
 * itself always comes from the service, so a new build is never hidden; the old files stay until no page of the old build is open.
 */

export {}

declare const __BUILD__: string
declare const __FILES__: string[]

/** The few things used of a service worker's world, whose types cannot stand beside those of a page. */
interface Extendable extends Event {
  waitUntil(work: Promise<unknown>): void
}
interface Fetched extends Extendable {
  readonly request: Request
  respondWith(answer: Promise<Response>): void
}
const worker = self as unknown as EventTarget & { clients: { claim(): Promise<void> } }

const PREFIX = 'deephealth-page-'
const KEPT = PREFIX + __BUILD__
const FILES = new Set(__FILES__)
const PATIENCE_MS = 4000

worker.addEventListener('install', (event) => {
  // "no-cache": asks whether what the browser holds is still so; named by their content, the assets are.
  const files = [...FILES].map((path) => new Request(path, { cache: path.startsWith('/assets/') ? 'default' : 'no-cache' }))
  ;(event as Extendable).waitUntil(caches.open(KEPT).then((cache) => cache.addAll(files)))
})

worker.addEventListener('activate', (event) => {
  const tidy = async (): Promise<void> => {
    const old = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== KEPT)
    await Promise.all(old.map((name) => caches.delete(name)))
    await worker.clients.claim()
  }
  ;(event as Extendable).waitUntil(tidy())
})

worker.addEventListener('fetch', (event) => {
  const fetched = event as Fetched
  const { request } = fetched
  const { origin, pathname } = new URL(request.url)
  if (request.method !== 'GET' || origin !== location.origin) return
  if (request.mode !== 'navigate') {
    if (FILES.has(pathname)) fetched.respondWith(held(pathname, request))
  } else if (/^\/(|read|teach|models|help|accounts|sign-in)(\/|$)/.test(pathname)) fetched.respondWith(newest(request))
})

/** The page from the service; when it does not answer in time, the page that is kept. */
async function newest(request: Request): Promise<Response> {
  try {
    const answer = await fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) })
    if (answer.status < 500) return answer
    return (await page()) ?? answer
  } catch (error) {
    const kept = await page()
    if (kept) return kept
    throw error
  }
}

const page = async (): Promise<Response | undefined> => (await caches.open(KEPT)).match('/')

async function held(pathname: string, request: Request): Promise<Response> {
  return (await (await caches.open(KEPT)).match(pathname)) ?? fetch(request)
}
