/**
 * The same picture on a 2D canvas, for browsers without WebGL2. Scaling is the canvas's own, and window and level are four fills in
 * blending modes, so that no frame touches the film's pixels from script:
 * (grey - low) clamped at 0 is "difference" with white, "lighter" by low, "difference" with white; times a slope above 1 is "color-dodge".
 */

import { picture, type Evidence } from './colour'
import type { Drawing, GreyFilm, Renderer } from './renderer'
import { placed, type View } from './view'

type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D

export class PlainRenderer implements Renderer {
  readonly #context: Context
  /** The film, then each half of the one before: shrinking by more than two in one step would drop lines. */
  #levels: HTMLCanvasElement[] = []
  #heat: HTMLCanvasElement | null = null

  constructor(context: Context) {
    this.#context = context
  }

  film(film: GreyFilm): void {
    this.#levels = [canvasOf(grey(film))]
    for (let last = this.#levels[0]!; last.width > 512 && last.height > 512; last = this.#levels.at(-1)!) {
      const half = document.createElement('canvas')
      half.width = last.width >> 1
      half.height = last.height >> 1
      context(half).drawImage(last, 0, 0, half.width, half.height)
      this.#levels.push(half)
    }
  }

  evidence(evidence: Evidence | null): void {
    this.#heat = evidence && canvasOf(picture(evidence))
  }

  draw({ view, opacity, box }: Drawing): void {
    const to = this.#context
    to.globalCompositeOperation = 'source-over'
    to.fillStyle = '#000'
    to.fillRect(0, 0, box.width, box.height)
    const film = this.#levels[0]
    if (!film) return
    const { left, top, width, height } = placed(view, film, box)
    const level = this.#levels.findLast((one) => one.width >= width) ?? film
    to.imageSmoothingEnabled = true
    to.save()
    to.beginPath()
    to.rect(left, top, width, height)
    to.clip()
    to.drawImage(level, left, top, width, height)
    for (const [mode, value] of fills(view)) {
      to.globalCompositeOperation = mode
      to.fillStyle = greyStyle(value)
      to.fillRect(0, 0, box.width, box.height)
    }
    to.restore()
    if (!this.#heat || !opacity) return
    to.globalAlpha = opacity
    to.drawImage(this.#heat, left, top, width, height)
    to.globalAlpha = 1
  }

  close(): void {
    this.#levels = []
    this.#heat = null
  }
}

/** The fills, one upon the other, that show a film in a view's window: blending mode and grey 0..1. */
export function fills(view: Pick<View, 'low' | 'high' | 'inverted'>): [mode: GlobalCompositeOperation, value: number][] {
  const steps: [GlobalCompositeOperation, number][] = []
  const low = view.low / 255
  const slope = 255 / (view.high - view.low)
  if (low > 0) steps.push(['difference', 1], ['lighter', low], ['difference', 1])
  if (slope > 1) steps.push(['color-dodge', 1 - 1 / slope])
  else if (slope < 1) steps.push(['multiply', slope])
  if (low < 0) steps.push(['lighter', -low * slope])
  if (view.inverted) steps.push(['difference', 1])
  return steps
}

function greyStyle(value: number): string {
  const level = (100 * Math.min(value, 1)).toFixed(3)
  return `rgb(${level}% ${level}% ${level}%)`
}

function grey({ pixels, width, height }: GreyFilm): ImageData {
  const image = new ImageData(width, height)
  const words = new Uint32Array(image.data.buffer)
  for (let at = 0; at < pixels.length; at++) words[at] = 0xff000000 | (pixels[at]! * 0x010101)
  return image
}

function canvasOf(image: ImageData): HTMLCanvasElement {
  const canvas = document.createElement('canvas')
  canvas.width = image.width
  canvas.height = image.height
  context(canvas).putImageData(image, 0, 0)
  return canvas
}

function context(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const found = canvas.getContext('2d')
  if (!found) throw new Error('This browser has no canvas.')
  return found
}
