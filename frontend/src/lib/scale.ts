/** Round numbers along an axis. */

/** Few round values (1, 2 or 5 times a power of ten apart) from at or below `low` to at or above `high`. */
export function ticks(low: number, high: number, most = 5): number[] {
  const span = high - low || Math.abs(high) || 1
  const rough = span / Math.max(1, most)
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10)
  const first = Math.floor(low / step + 1e-9)
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9))
  return Array.from({ length: last - first + 1 }, (_, place) => Number(((first + place) * step).toPrecision(12)))
}

/** Decimals that tell two neighbouring ticks apart. */
export function decimals(values: readonly number[]): number {
  const step = Math.abs((values[1] ?? 1) - (values[0] ?? 0))
  return Math.max(0, Math.min(6, -Math.floor(Math.log10(step) + 1e-9)))
}
