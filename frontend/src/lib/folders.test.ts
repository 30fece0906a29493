import { describe, expect, test } from 'vitest'
import { byClass } from './folders'

function found(...paths: string[]): File[] {
  return paths.map((path) => Object.defineProperty(new File([], path.split('/').at(-1)!), 'webkitRelativePath', { value: path.includes('/') ? path : '' }))
}

function names(paths: string[], known?: (name: string) => boolean): Record<string, string[]> {
  return Object.fromEntries([...byClass(found(...paths), known)].map(([name, files]) => [name, files.map((file) => file.name)]))
}

describe('folders become classes', () => {
  test('below the folder that was dropped', () => {
    expect(names(['films/normal/a.png', 'films/viral/b.png'])).toEqual({ normal: ['a.png'], viral: ['b.png'] })
  })
  test('when several are dropped at once', () => {
    expect(names(['normal/a.png', 'viral/b.png', 'c.png'])).toEqual({ normal: ['a.png'], viral: ['b.png'], '': ['c.png'] })
  })
  test('when one is dropped, without the lists that lie in it', () => {
    expect(names(['normal/a.png', 'normal/b.png', 'normal/films.csv', '_masks/normal/a.png'])).toEqual({ normal: ['a.png', 'b.png'] })
  })
  test('whatever the folders of a split', () => {
    const paths = ['x/train/NORMAL/a.png', 'x/test/NORMAL/b.png', 'x/train/PNEUMONIA/c.png']
    expect(names(paths)).toEqual({ NORMAL: ['a.png', 'b.png'], PNEUMONIA: ['c.png'] })
  })
  test('and folders of patients do not, below a class that is known', () => {
    const known = (name: string) => name === 'normal'
    expect(names(['normal/p1/a.dcm', 'normal/p2/b.dcm'], known)).toEqual({ normal: ['a.dcm', 'b.dcm'] })
    expect(names(['x/normal/p1/a.dcm', 'x/viral/p2/b.dcm'], known)).toEqual({ normal: ['a.dcm'], viral: ['b.dcm'] })
  })
  test('ten thousand at once', () => {
    const paths = Array.from({ length: 10_000 }, (_, number) => `films/class${number % 3}/${number}.png`)
    expect(byClass(found(...paths)).get('class0')).toHaveLength(3334)
  })
})
