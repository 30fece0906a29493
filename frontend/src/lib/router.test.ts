import { expect, test, vi } from 'vitest'

vi.stubGlobal('location', { pathname: '/', search: '', origin: 'http://here', href: 'http://here/' })
vi.stubGlobal('addEventListener', () => {})
const { parse } = await import('./router.svelte')
const at = (pathname: string, search = '') => parse({ pathname, search })

test.each([
  ['/', 'read', []],
  ['/read', 'read', []],
  ['/teach/0123abcd', 'teach', ['0123abcd']],
  ['/models/compare', 'models', ['compare']],
  ['/accounts', 'accounts', []],
  ['/docs', 'missing', []],
  ['/teach/%E0%A4%A', 'teach', ['%E0%A4%A']],
])('%s is a place', (pathname, page, rest) => {
  expect(at(pathname)).toMatchObject({ page, rest })
})

test('what is asked for travels with the place', () => {
  expect(at('/models/compare', '?a=1&b=2').query.get('b')).toBe('2')
})
