/** The colours of evidence, the same numbers as src/deephealth/inference/heatmap.py, so that the page and the command line draw one map. */

export const INFERNO: readonly (readonly [number, number, number])[] = [
  [0, 0, 4], [12, 8, 38], [36, 12, 79], [66, 10, 104], [93, 18, 110], [120, 28, 109], [147, 38, 103], [174, 48, 92],
  [199, 62, 76], [221, 81, 58], [237, 105, 37], [248, 133, 15], [252, 165, 10], [250, 198, 45], [242, 230, 97], [252, 255, 164],
]

/** The strength of the last colour unless the reader chooses another. */
export const ALPHA = 0.6

/** Evidence of one label by place: rows of logits, and how many of them get the last colour. */
export interface Evidence {
  values: readonly (readonly number[])[]
  scale: number
}

/** The colour of a share 0..1 of full evidence: red, green, blue, 0..255. */
export function colour(share: number): [number, number, number] {
  const place = Math.min(Math.max(share, 0), 1) * (INFERNO.length - 1)
  const low = Math.min(Math.floor(place), INFERNO.length - 2)
  const part = place - low
  const [from, to] = [INFERNO[low]!, INFERNO[low + 1]!]
  return [0, 1, 2].map((channel) => from[channel]! * (1 - part) + to[channel]! * part) as [number, number, number]
}

/** The map's positive part as shares of full evidence, row by row. */
export function shares({ values, scale }: Evidence): Float32Array {
  return Float32Array.from(values.flat(), (value) => Math.min(Math.max(value / scale, 0), 1))
}

/** The share at a place of the film (0..1 from its left and top): bilinear between the middles of the cells, flat beyond the outer ones. */
export function shareAt(cells: Float32Array, rows: number, columns: number, x: number, y: number): number {
  const across = Math.min(Math.max(x * columns - 0.5, 0), columns - 1)
  const down = Math.min(Math.max(y * rows - 0.5, 0), rows - 1)
  const [left, top] = [Math.floor(across), Math.floor(down)]
  const [right, bottom] = [Math.min(left + 1, columns - 1), Math.min(top + 1, rows - 1)]
  const [h, v] = [across - left, down - top]
  const upper = cells[top * columns + left]! * (1 - h) + cells[top * columns + right]! * h
  const lower = cells[bottom * columns + left]! * (1 - h) + cells[bottom * columns + right]! * h
  return upper * (1 - v) + lower * v
}

/** A picture of the evidence, transparent where there is none: RGBA, `size` pixels a side, to be stretched over the film. */
export function picture(evidence: Evidence, size = 256): ImageData {
  const cells = shares(evidence)
  const rows = evidence.values.length
  const columns = evidence.values[0]?.length ?? 0
  const image = new ImageData(size, size)
  for (let row = 0, at = 0; row < size; row++) {
    for (let column = 0; column < size; column++, at += 4) {
      const share = shareAt(cells, rows, columns, (column + 0.5) / size, (row + 0.5) / size)
      image.data.set(colour(share), at)
      image.data[at + 3] = 255 * share
    }
  }
  return image
}
