import { expect, test } from 'vitest'
import { filesOf, pathOf, withoutLitter } from './files'

const file = (name: string) => new File(['x'], name)
const entryOf = (found: File) => ({ isDirectory: false, name: found.name, fullPath: `/films/${found.name}`, file: (done: (file: File) => void) => done(found) })

function folder(name: string, entries: object[], atATime = 2) {
  return {
    isDirectory: true,
    name,
    createReader: () => {
      let from = 0
      return { readEntries: (done: (some: object[]) => void) => done(entries.slice(from, (from += atATime))) }
    },
  }
}
const transfer = (...entries: object[]) =>
  ({ items: entries.map((entry) => ({ kind: 'file', webkitGetAsEntry: () => entry, getAsFile: () => null })) }) as unknown as DataTransfer

test('a dropped folder gives every file, however many a reader hands out at a time, in the order of their numbers', async () => {
  const names = ['film10.png', 'film9.png', 'film1.png', '.DS_Store', 'Thumbs.db']
  const found = await filesOf(transfer(folder('films', names.map((name) => entryOf(file(name))))))
  expect(found.map(pathOf)).toEqual(['films/film1.png', 'films/film9.png', 'films/film10.png'])
})

test('folders within folders are opened', async () => {
  const found = await filesOf(transfer(folder('set', [folder('viral', [entryOf(file('a.png'))]), folder('normal', [])])))
  expect(found).toHaveLength(1)
})

test('a film called like litter elsewhere in its name stays', () => {
  expect(withoutLitter([file('Thumbs.db.png'), file('a.dcm'), file('.hidden.png')]).map((kept) => kept.name)).toEqual(['Thumbs.db.png', 'a.dcm'])
})
