/** The page kept on this device (src/sw.ts), from the moment a model is first loaded into it. */

const SCRIPT = '/sw.js'

/**
 * Keep the page for use without a network. True once all of it is kept; false where the browser offers no such thing (plain http from another
 * machine, a private window) or the service did not give all of it out.
 */
export async function keepPage(): Promise<boolean> {
  if (!('serviceWorker' in navigator)) return false
  try {
    const registration = await navigator.serviceWorker.register(SCRIPT)
    const worker = registration.active ?? registration.waiting ?? registration.installing
    return worker ? await settled(worker) : false
  } catch {
    return false
  }
}

/** Give the room back. */
export async function forgetPage(): Promise<void> {
  if (!('serviceWorker' in navigator)) return
  await (await navigator.serviceWorker.getRegistration('/'))?.unregister()
  const names = await caches.keys()
  await Promise.all(names.filter((name) => name.startsWith('deephealth-page-')).map((name) => caches.delete(name)))
}

function settled(worker: ServiceWorker): Promise<boolean> {
  const done = (): boolean => worker.state === 'activated' || worker.state === 'redundant'
  if (done()) return Promise.resolve(worker.state === 'activated')
  return new Promise((resolve) => worker.addEventListener('statechange', () => done() && resolve(worker.state === 'activated')))
}
