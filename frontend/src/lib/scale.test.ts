import { expect, test } from 'vitest'
import { decimals, ticks } from './scale'

test.each([
  [0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]],
  [0, 50, [0, 10, 20, 30, 40, 50]],
  [0.61, 0.94, [0.6, 0.7, 0.8, 0.9, 1]],
  [-0.3, 0.3, [-0.4, -0.2, 0, 0.2, 0.4]],
])('ticks of %f to %f are round and hold both ends', (low, high, expected) => {
  expect(ticks(low, high)).toEqual(expected)
})

test('a curve of one value has an axis all the same', () => {
  for (const value of [0, 0.7, -3, 1e-7, 4e6]) {
    const found = ticks(value, value)
    expect(found.length).toBeGreaterThan(1)
    expect(found[0]).toBeLessThanOrEqual(value)
    expect(found.at(-1)).toBeGreaterThanOrEqual(value)
  }
})

test('decimals tell neighbours apart', () => {
  expect(decimals([0, 0.2])).toBe(1)
  expect(decimals([0, 10])).toBe(0)
  expect(decimals([0.25, 0.3])).toBe(2)
})
