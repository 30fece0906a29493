import { describe, expect, it } from 'vitest'
import { render, rint, windowed, type GreyRules } from './dicom_grey'

const RULES: GreyRules = { bitsStored: 12, signed: false, slope: 1, intercept: 0, modalityLut: null, voiLut: null, window: null, invert: false, padding: null, warnings: [] }
const shown = (values: number[], rules: Partial<GreyRules>): number[] => [...render(Int16Array.from(values), { ...RULES, ...rules })]
const window = (center: number, width: number, shape = 'LINEAR') => ({ center, width, function: shape })

// Expected values: the formulas of PS3.3 C.11.2.1.2, worked out by hand, and deephealth.images.dicom_grey.
describe('grey values of a DICOM film', () => {
  it('spreads deeper samples from the smallest to the largest, padding left out and black', () => {
    expect(shown([100, 200, 300], {})).toEqual([0, 128, 255])
    expect(shown([-2000, 100, 200, 300], { padding: [-2000, -2000] })).toEqual([0, 0, 128, 255])
    expect(shown([7, 7], {})).toEqual([0, 0])
  })

  it('keeps the meaning of up to 8 bits', () => {
    expect(shown([0, 100, 255], { bitsStored: 8 })).toEqual([0, 100, 255])
    expect(shown([-128, 0, 127], { bitsStored: 8, signed: true })).toEqual([0, 128, 255])
  })

  it('applies rescale, window and inversion in this order', () => {
    expect(shown([0, 1000, 2000], { slope: 2, intercept: -1000, window: window(1000, 4000) })).toEqual([0, 128, 255])
    expect(shown([0, 4095], { window: window(2048, 4096), invert: true })).toEqual([255, 0])
    expect(shown([0, 4095], { window: window(2048, 4096), invert: true, padding: [0, 0] })).toEqual([0, 0])
  })

  it('knows the three shapes of a window', () => {
    expect(windowed(window(100, 1), 99.5)).toBe(0)
    expect(windowed(window(100, 1), 99.6)).toBe(1)
    expect(windowed(window(100, 50, 'LINEAR_EXACT'), 100)).toBe(0.5)
    expect(windowed(window(100, 50, 'SIGMOID'), 100)).toBe(0.5)
    expect(windowed(window(100, 50, 'SIGMOID'), -1e9)).toBeCloseTo(0)
  })

  it('looks values up, those outside at the ends', () => {
    const voiLut = { first: 10, bits: 8, entries: Uint16Array.from([0, 128, 255]) }
    expect(shown([5, 10, 11, 12, 99], { voiLut })).toEqual([0, 0, 128, 255, 255])
    expect(shown([0, 1], { modalityLut: { first: 0, bits: 16, entries: Uint16Array.from([500, 700]) }, window: window(600.5, 201) })).toEqual([0, 255])
  })

  it('rounds halves to even, as the service does', () => {
    expect([0.5, 1.5, 2.5, -0.5, -1.5, 1.4].map((value) => rint(value) + 0)).toEqual([0, 2, 2, 0, -2, 1])
  })
})
