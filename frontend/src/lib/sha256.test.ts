import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { digest, sha256 } from './sha256'

it.each([0, 1, 55, 56, 63, 64, 65, 1000])('is the same written out as the system says, for %i bytes', async (length) => {
  const bytes = Uint8Array.from({ length }, (_, n) => (n * 37) & 255)
  const expected = createHash('sha256').update(bytes).digest('hex')
  expect(Buffer.from(digest(bytes)).toString('hex')).toBe(expected)
  expect(await sha256(bytes)).toBe(expected)
})
