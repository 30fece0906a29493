import { describe, expect, it } from 'vitest'
import { AS_STORED, FITTED, fit, panned, placed, shown, windowed, zoomed, type View } from './view'

const film = { width: 2000, height: 1500 }
const box = { width: 1000, height: 900 }
const start: View = { ...FITTED, ...AS_STORED }

describe('a view', () => {
  it('fits the film in the middle of its box', () => {
    expect(fit(film, box)).toBe(0.5)
    expect(placed(start, film, box)).toEqual({ left: 0, top: 75, width: 1000, height: 750 })
  })

  it('zooms where it is pointed at', () => {
    for (const point of [{ x: 500, y: 450 }, { x: 120, y: 700 }, { x: 990, y: 100 }]) {
      const before = placed(start, film, box)
      const after = placed(zoomed(start, 3, point, film, box), film, box)
      const share = (place: typeof before) => [(point.x - place.left) / place.width, (point.y - place.top) / place.height]
      expect(share(after)[0]).toBeCloseTo(share(before)[0]!, 9)
      expect(share(after)[1]).toBeCloseTo(share(before)[1]!, 9)
    }
  })

  it('zooms neither to nothing nor without end, and back again to where it was', () => {
    expect(zoomed(start, 1e-6, { x: 0, y: 0 }, film, box).zoom).toBe(0.5)
    expect(zoomed(start, 1e9, { x: 500, y: 450 }, film, box).zoom * fit(film, box)).toBe(24)
    const there = zoomed(start, 2, { x: 400, y: 300 }, film, box)
    const back = zoomed(there, 0.5, { x: 400, y: 300 }, film, box)
    expect([back.zoom, back.x, back.y]).toEqual([1, expect.closeTo(0.5, 9), expect.closeTo(0.5, 9)])
  })

  it('moves with the hand and never leaves the box', () => {
    const moved = placed(panned({ ...start, zoom: 2 }, 30, -20, film, box), film, box)
    const before = placed({ ...start, zoom: 2 }, film, box)
    expect(moved.left - before.left).toBeCloseTo(30, 9)
    expect(moved.top - before.top).toBeCloseTo(-20, 9)
    const far = panned(start, 1e6, -1e6, film, box)
    expect([far.x, far.y]).toEqual([0, 1])
  })
})

describe('window and level', () => {
  it('shows the greys as stored at first', () => {
    for (const grey of [0, 1, 127, 255]) expect(shown(grey, start)).toBe(grey)
  })

  it('spreads the window over black to white, and inverts', () => {
    const view = { low: 100, high: 200, inverted: false }
    expect([50, 100, 150, 200, 250].map((grey) => shown(grey, view))).toEqual([0, 0, 127.5, 255, 255])
    expect([50, 150, 250].map((grey) => shown(grey, { ...view, inverted: true }))).toEqual([255, 127.5, 0])
  })

  it('changes width about the level and level without the width, within limits', () => {
    const wide = windowed(start, 45, 0)
    expect([wide.low, wide.high]).toEqual([-22.5, 277.5])
    const moved = windowed(start, 0, 20)
    expect([moved.high - moved.low, (moved.high + moved.low) / 2]).toEqual([255, 147.5])
    const narrow = windowed(start, -1000, 0)
    expect(narrow.high - narrow.low).toBe(4)
    expect((windowed(start, 0, 1e4).low + windowed(start, 0, 1e4).high) / 2).toBe(255)
  })
})
