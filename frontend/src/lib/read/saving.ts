/** Files that the page gives to the reader: tables as they are, films with their evidence drawn over them. */

import { ALPHA } from '../viewer/colour'
import { PlainRenderer } from '../viewer/plain'
import { AS_STORED, FITTED } from '../viewer/view'
import { pictureName } from './export'
import type { Film } from './films.svelte'
import { visit } from './visit.svelte'
import { ZipWriter } from './zip'

/** Pixels: larger films are drawn at this width or height. */
const LARGEST_SIDE = 4096

/** Hand a file to the browser's downloads. */
export function save(file: Blob, name: string): void {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(file)
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
}

/** Each film with the evidence for its label drawn over it, as `deephealth predict --heatmap` draws it. */
export async function heatmapsOf(films: readonly Film[], signal: AbortSignal, done: () => void): Promise<{ archive: Blob; skipped: number }> {
  const archive = new ZipWriter()
  const taken = new Set<string>()
  let skipped = 0
  for (const film of films) {
    const picture = await drawn(film).catch(() => null)
    signal.throwIfAborted()
    if (picture) archive.add({ name: pictureName(film.name, taken), bytes: new Uint8Array(await picture.arrayBuffer()) })
    else skipped++
    done()
  }
  return { archive: archive.close(), skipped }
}

async function drawn(film: Film): Promise<Blob | null> {
  const heatmap = film.prediction?.heatmap
  const values = heatmap?.values[film.prediction?.label ?? '']
  if (!heatmap || !values || !film.read) return null
  const greys = await visit.greys(film)
  const scale = Math.min(1, LARGEST_SIDE / Math.max(greys.width, greys.height))
  const box = { width: Math.round(greys.width * scale), height: Math.round(greys.height * scale) }
  const canvas = new OffscreenCanvas(box.width, box.height)
  const context = canvas.getContext('2d', { alpha: false })
  if (!context) return null
  const renderer = new PlainRenderer(context)
  renderer.film(greys)
  renderer.evidence({ values, scale: heatmap.scale })
  renderer.draw({ view: { ...FITTED, ...AS_STORED }, opacity: ALPHA, box })
  renderer.close()
  return canvas.convertToBlob({ type: 'image/png' })
}
