import { describe, expect, it } from 'vitest'
import { colour, shareAt, shares } from './colour'
import { fills } from './plain'
import { shrunk } from './shader'
import { shown } from './view'

describe('the colours of evidence', () => {
  it('are those of deephealth.inference.heatmap.colours', () => {
    // Printed by Python: colours(np.float32([...])).
    const python: [number, number[]][] = [[0.000000, [0.0000, 0.0000, 4.0000]], [0.020000, [3.6000, 2.4000, 14.2000]], [0.066667, [12.0000, 8.0000, 38.0000]], [0.300000, [106.5000, 23.0000, 109.5000]], [0.500000, [186.5000, 55.0000, 84.0000]], [0.777000, [250.6200, 153.9600, 11.7250]], [0.990000, [250.5000, 251.2500, 153.9500]], [1.000000, [252.0000, 255.0000, 164.0000]]]
    for (const [share, rgb] of python) colour(share).forEach((value, channel) => expect(value).toBeCloseTo(rgb[channel]!, 2))
  })

  it('start at nothing and end at light yellow, whatever the value', () => {
    expect(colour(-3)).toEqual([0, 0, 4])
    expect(colour(7)).toEqual([252, 255, 164])
  })

  it('are laid bilinearly between the middles of the cells, as deephealth.inference.heatmap.evidence lays them', () => {
    const cells = shares({ values: [[-5, 2, 10], [4, 20, 0]], scale: 10 })
    expect([...cells].map((value) => +value.toFixed(3))).toEqual([0, 0.2, 1, 0.4, 1, 0])
    const python: number[][] = [
      [0.00000, 0.00000, 0.06667, 0.13333, 0.20000, 0.46667, 0.73333, 1.00000, 1.00000],
      [0.00000, 0.00000, 0.06667, 0.13333, 0.20000, 0.46667, 0.73333, 1.00000, 1.00000],
      [0.13333, 0.13333, 0.24444, 0.35556, 0.46667, 0.53333, 0.60000, 0.66667, 0.66667],
      [0.26667, 0.26667, 0.42222, 0.57778, 0.73333, 0.60000, 0.46667, 0.33333, 0.33333],
      [0.40000, 0.40000, 0.60000, 0.80000, 1.00000, 0.66667, 0.33333, 0.00000, 0.00000],
      [0.40000, 0.40000, 0.60000, 0.80000, 1.00000, 0.66667, 0.33333, 0.00000, 0.00000],
    ]
    python.forEach((row, down) =>
      row.forEach((share, across) => expect(shareAt(cells, 2, 3, (across + 0.5) / 9, (down + 0.5) / 6)).toBeCloseTo(share, 4)),
    )
  })
})

describe('the canvas without WebGL', () => {
  it('shows the same greys by blending', () => {
    const blend: Record<string, (below: number, value: number) => number> = {
      difference: (below, value) => Math.abs(below - value),
      lighter: (below, value) => Math.min(1, below + value),
      multiply: (below, value) => below * value,
      'color-dodge': (below, value) => (below === 0 ? 0 : Math.min(1, below / (1 - value))),
    }
    for (const view of [
      { low: 0, high: 255, inverted: false },
      { low: 80, high: 130, inverted: false },
      { low: -40, high: 300, inverted: true },
      { low: -20, high: 100, inverted: false },
      { low: 30, high: 400, inverted: true },
    ]) {
      for (let grey = 0; grey <= 255; grey += 5) {
        const drawn = fills(view).reduce((below, [mode, value]) => blend[mode]!(below, value), grey / 255)
        expect(255 * drawn).toBeCloseTo(shown(grey, view), 6)
      }
    }
  })
})

describe('a film larger than a texture', () => {
  it('is halved by means of four pixels', () => {
    const film = { width: 5, height: 4, pixels: Uint8Array.from({ length: 20 }, (_, at) => at) }
    const half = shrunk(film, 4)
    expect([half.width, half.height, ...half.pixels]).toEqual([2, 2, 3, 5, 13, 15])
    expect(shrunk(film, 5)).toBe(film)
  })
})
