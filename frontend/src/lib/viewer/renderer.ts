/** What draws a view: WebGL2 where there is one (greys and heatmap in the shader), else a 2D canvas with the same result. */

import type { Evidence } from './colour'
import { PlainRenderer } from './plain'
import { ShaderRenderer } from './shader'
import type { Size, View } from './view'

/** A film's greys, one byte a pixel, row by row. */
export interface GreyFilm extends Size {
  pixels: Uint8Array
}

export interface Drawing {
  view: View
  /** Strength of the heatmap, 0: not drawn. */
  opacity: number
  /** Pixels of the canvas. */
  box: Size
}

export interface Renderer {
  film(film: GreyFilm): void
  evidence(evidence: Evidence | null): void
  draw(drawing: Drawing): void
  close(): void
}

/** The renderer for a canvas; the canvas is bound to its kind from then on. */
export function renderer(canvas: HTMLCanvasElement): Renderer {
  // Not "failIfMajorPerformanceCaveat": a shader run by the processor still leaves the page's own thread free.
  const gl = canvas.getContext('webgl2', { alpha: false, antialias: false, depth: false, powerPreference: 'low-power' })
  if (gl) return new ShaderRenderer(gl)
  const plain = canvas.getContext('2d', { alpha: false })
  if (!plain) throw new Error('This browser has no canvas.')
  return new PlainRenderer(plain)
}
