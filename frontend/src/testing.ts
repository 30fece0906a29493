/** For tests in Node: the little of a browser that modules ask for when they are loaded. */

const kept = new Map<string, string>()
Object.assign(globalThis, {
  localStorage: {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  },
  navigator: { languages: ['en'] },
  document: { documentElement: { dataset: {}, lang: '' } },
})
