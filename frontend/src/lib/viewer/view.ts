/**
 * What part of a film is seen and how its greys are shown: numbers only, no canvas. A view is relative to its film and its box, so it
 * holds when the window changes its size and can be handed to a second viewer with another film.
 */

export interface Size {
  width: number
  height: number
}

export interface View {
  /** 1: the whole film fits its box; 2: twice that. */
  zoom: number
  /** The place of the film in the middle of the box, 0..1 from its left and top. */
  x: number
  y: number
  /** Grey levels (0..255) shown black and white. */
  low: number
  high: number
  inverted: boolean
}

export const FITTED: Pick<View, 'zoom' | 'x' | 'y'> = Object.freeze({ zoom: 1, x: 0.5, y: 0.5 })
export const AS_STORED: Pick<View, 'low' | 'high' | 'inverted'> = Object.freeze({ low: 0, high: 255, inverted: false })

const LEAST_ZOOM = 0.5
/** Sides in pixels of the box that one pixel of the film may take. */
const LARGEST_PIXEL = 24
/** Grey levels: below, a window is nothing but noise. */
const NARROWEST_WINDOW = 4
const WIDEST_WINDOW = 1024

/** Pixels of the box for one pixel of the film when the film fits. */
export function fit(film: Size, box: Size): number {
  return Math.min(box.width / film.width, box.height / film.height)
}

/** Where the film lies in the box: left, top, width and height in the box's pixels. */
export function placed(view: View, film: Size, box: Size): { left: number; top: number; width: number; height: number } {
  const scale = fit(film, box) * view.zoom
  const width = film.width * scale
  const height = film.height * scale
  return { left: box.width / 2 - view.x * width, top: box.height / 2 - view.y * height, width, height }
}

/** Zoom by a factor so that what lies under `point` (in the box) stays under it. */
export function zoomed(view: View, factor: number, point: { x: number; y: number }, film: Size, box: Size): View {
  const most = Math.max(1, LARGEST_PIXEL / fit(film, box))
  const zoom = clamp(view.zoom * factor, LEAST_ZOOM, most)
  const before = fit(film, box) * view.zoom
  const after = fit(film, box) * zoom
  const part = 1 / before - 1 / after
  return {
    ...view,
    zoom,
    x: clamp(view.x + ((point.x - box.width / 2) * part) / film.width, 0, 1),
    y: clamp(view.y + ((point.y - box.height / 2) * part) / film.height, 0, 1),
  }
}

/** Move the film by so many pixels of the box; its middle cannot leave the box by more than half the film. */
export function panned(view: View, dx: number, dy: number, film: Size, box: Size): View {
  const scale = fit(film, box) * view.zoom
  return { ...view, x: clamp(view.x - dx / (film.width * scale), 0, 1), y: clamp(view.y - dy / (film.height * scale), 0, 1) }
}

/** Window width and level changed by so many grey levels. */
export function windowed(view: View, width: number, level: number): View {
  const middle = clamp((view.low + view.high) / 2 + level, 0, 255)
  const half = clamp(view.high - view.low + width, NARROWEST_WINDOW, WIDEST_WINDOW) / 2
  return { ...view, low: middle - half, high: middle + half }
}

/** What a grey level (0..255) is shown as (0..255). */
export function shown(grey: number, view: Pick<View, 'low' | 'high' | 'inverted'>): number {
  const share = clamp((grey - view.low) / (view.high - view.low), 0, 1)
  return 255 * (view.inverted ? 1 - share : share)
}

export function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most)
}
