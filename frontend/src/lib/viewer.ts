/**
 * A film on a canvas, as in a reading room: wheel zooms where it points, drag moves, right drag (or the window tool) sets window and level,
 * two fingers pinch, double click fits. Draws once a frame at most and only when something changed. Free of the framework.
 */

import type { Evidence } from './viewer/colour'
import { renderer, type GreyFilm, type Renderer } from './viewer/renderer'
import { AS_STORED, FITTED, fit, panned, windowed, zoomed, type Size, type View } from './viewer/view'

export type { Evidence, GreyFilm, View }

export interface ViewerEvents {
  /** The reader changed the view. */
  view?: (view: View) => void
  /** The box has another size, and so the film another scale. */
  resized?: () => void
  /** A key for the page: "i", "h", "1".."9" and the like; true when it was used. */
  key?: (key: string) => boolean
}

/** What dragging with the main button does. */
export type Tool = 'move' | 'window'

const STEP = 1.25
const KEY_PIXELS = 40
/** Grey levels for each pixel dragged, and for each press of a key. */
const DRAG_GREYS = 0.75
const KEY_GREYS = 8

export class Viewer {
  #tool: Tool = 'move'
  #view: View = { ...FITTED, ...AS_STORED }
  #film: GreyFilm | null = null
  #evidence: Evidence | null = null
  #opacity = 0
  #box: Size = { width: 1, height: 1 }
  #frame = 0
  #renderer: Renderer
  readonly #canvas: HTMLCanvasElement
  readonly #events: ViewerEvents
  readonly #pointers = new Map<number, { x: number; y: number }>()
  readonly #listening = new AbortController()
  readonly #resized: ResizeObserver

  /** keys: the element that takes the keyboard, usually the canvas's frame. */
  constructor(canvas: HTMLCanvasElement, keys: HTMLElement, events: ViewerEvents = {}) {
    this.#canvas = canvas
    this.#events = events
    this.#renderer = renderer(canvas)
    const { signal } = this.#listening
    canvas.addEventListener('wheel', (event) => this.#wheel(event), { signal, passive: false })
    canvas.addEventListener('pointerdown', (event) => this.#down(event), { signal })
    canvas.addEventListener('pointermove', (event) => this.#move(event), { signal })
    for (const end of ['pointerup', 'pointercancel'] as const) {
      canvas.addEventListener(end, (event) => this.#pointers.delete(event.pointerId), { signal })
    }
    canvas.addEventListener('dblclick', () => this.#change({ ...this.#view, ...FITTED }), { signal })
    canvas.addEventListener('contextmenu', (event) => event.preventDefault(), { signal })
    canvas.addEventListener('webglcontextlost', (event) => event.preventDefault(), { signal })
    canvas.addEventListener('webglcontextrestored', () => this.#restore(), { signal })
    keys.addEventListener('keydown', (event) => this.#key(event), { signal })
    this.#resized = new ResizeObserver(([entry]) => entry && this.#resize(entry))
    this.#resized.observe(canvas)
  }

  /** Show a film, fitted and with its greys as stored. */
  show(film: GreyFilm | null): void {
    this.#film = film
    if (film) this.#renderer.film(film)
    this.#view = { ...FITTED, ...AS_STORED }
    this.draw()
  }

  /** Lay evidence over the film; opacity 0..1. */
  heat(evidence: Evidence | null, opacity: number): void {
    if (evidence !== this.#evidence) this.#renderer.evidence(evidence)
    this.#evidence = evidence
    this.#opacity = evidence ? opacity : 0
    this.draw()
  }

  /** What dragging with the main button does from now on. */
  use(tool: Tool): void {
    this.#tool = tool
    this.#touch()
  }

  /** Pixels of the screen for one of the film. */
  get scale(): number {
    return this.#film ? fit(this.#film, this.#box) * this.#view.zoom : 1
  }

  get view(): View {
    return this.#view
  }

  /** Take a view from elsewhere, such as a linked viewer; tells nobody. */
  set view(view: View) {
    this.#view = view
    this.#touch()
    this.draw()
  }

  invert(): void {
    this.#change({ ...this.#view, inverted: !this.#view.inverted })
  }

  /** The whole film; with `greys` its greys as stored as well. */
  reset({ greys = false } = {}): void {
    this.#change({ ...this.#view, ...FITTED, ...(greys ? AS_STORED : {}) })
  }

  /** Zoom about the middle. */
  zoom(factor: number): void {
    this.#zoom(factor, { x: this.#box.width / 2, y: this.#box.height / 2 })
  }

  /** Draw with the next frame. */
  draw(): void {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0
      this.#renderer.draw({ view: this.#view, opacity: this.#film ? this.#opacity : 0, box: this.#box })
    })
  }

  close(): void {
    this.#listening.abort()
    this.#resized.disconnect()
    cancelAnimationFrame(this.#frame)
    this.#renderer.close()
  }

  #change(view: View): void {
    this.view = view
    this.#events.view?.(view)
  }

  #zoom(factor: number, point: { x: number; y: number }): void {
    if (this.#film) this.#change(zoomed(this.#view, factor, point, this.#film, this.#box))
  }

  #pan(dx: number, dy: number): void {
    if (this.#film) this.#change(panned(this.#view, dx, dy, this.#film, this.#box))
  }

  #resize(entry: ResizeObserverEntry): void {
    const exact = entry.devicePixelContentBoxSize?.[0]
    const rough = entry.contentBoxSize[0]
    const ratio = exact ? 1 : devicePixelRatio
    const size = exact ?? rough
    if (!size) return
    this.#box = { width: Math.max(1, Math.round(size.inlineSize * ratio)), height: Math.max(1, Math.round(size.blockSize * ratio)) }
    this.#canvas.width = this.#box.width
    this.#canvas.height = this.#box.height
    this.#events.resized?.()
    // A resized canvas is empty: drawn now, not with the next frame, it does not flicker.
    this.#renderer.draw({ view: this.#view, opacity: this.#film ? this.#opacity : 0, box: this.#box })
  }

  #restore(): void {
    this.#renderer = renderer(this.#canvas)
    if (this.#film) this.#renderer.film(this.#film)
    this.#renderer.evidence(this.#evidence)
    this.draw()
  }

  /** A finger scrolls the page while the whole film is seen, and moves the film once it is larger. */
  #touch(): void {
    this.#canvas.style.touchAction = this.#view.zoom <= 1 && this.#tool === 'move' ? 'pan-y' : 'none'
  }

  #point(event: MouseEvent): { x: number; y: number } {
    const ratio = this.#box.width / Math.max(1, this.#canvas.clientWidth)
    return { x: event.offsetX * ratio, y: event.offsetY * ratio }
  }

  #wheel(event: WheelEvent): void {
    event.preventDefault()
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1)
    // A trackpad's pinch arrives as a wheel with ctrl and small steps.
    this.#zoom(Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.0015)), this.#point(event))
  }

  #down(event: PointerEvent): void {
    this.#canvas.setPointerCapture(event.pointerId)
    this.#pointers.set(event.pointerId, this.#point(event))
  }

  #move(event: PointerEvent): void {
    const before = this.#pointers.get(event.pointerId)
    if (!before || !this.#film) return
    const now = this.#point(event)
    const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1]
    this.#pointers.set(event.pointerId, now)
    if (other) this.#pinch(before, now, other)
    else if (event.buttons & 2 || this.#tool === 'window') {
      const ratio = this.#canvas.clientWidth / this.#box.width
      this.#change(windowed(this.#view, (now.x - before.x) * ratio * DRAG_GREYS, (now.y - before.y) * ratio * DRAG_GREYS))
    } else this.#pan(now.x - before.x, now.y - before.y)
  }

  #pinch(before: { x: number; y: number }, now: { x: number; y: number }, other: { x: number; y: number }): void {
    const distance = (a: { x: number; y: number }) => Math.hypot(a.x - other.x, a.y - other.y)
    const factor = distance(now) / Math.max(1, distance(before))
    this.#zoom(factor, { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 })
    this.#pan((now.x - before.x) / 2, (now.y - before.y) / 2)
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target !== event.currentTarget) return
    const window = event.shiftKey
    const step = KEY_PIXELS * (this.#box.width / Math.max(1, this.#canvas.clientWidth))
    const actions: Record<string, () => void> = {
      arrowleft: () => (window ? this.#change(windowed(this.#view, -KEY_GREYS, 0)) : this.#pan(step, 0)),
      arrowright: () => (window ? this.#change(windowed(this.#view, KEY_GREYS, 0)) : this.#pan(-step, 0)),
      arrowup: () => (window ? this.#change(windowed(this.#view, 0, -KEY_GREYS)) : this.#pan(0, step)),
      arrowdown: () => (window ? this.#change(windowed(this.#view, 0, KEY_GREYS)) : this.#pan(0, -step)),
      '+': () => this.zoom(STEP),
      '=': () => this.zoom(STEP),
      '-': () => this.zoom(1 / STEP),
      _: () => this.zoom(1 / STEP),
      '0': () => this.reset(),
      r: () => this.reset({ greys: true }),
      i: () => this.invert(),
    }
    const key = event.key.toLowerCase()
    const action = Object.hasOwn(actions, key) ? actions[key] : undefined
    if (action) action()
    else if (!this.#events.key?.(key)) return
    event.preventDefault()
  }
}
