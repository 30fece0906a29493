import { expect, test } from 'vitest'
import { markdown } from './markdown'

const text = (words: string) => [{ kind: 'text', text: words }]

test('a card becomes headings, paragraphs, lists, tables and code', () => {
  const source = '# Name\n\nOne line\ngoes on.\n\n- first\n- **second**: `a | b`\n\n| a | b |\n|---|---|\n| 1 \\| 2 | 3 |\n\n```json\n{"# no": "heading"}\n```\n'
  expect(markdown(source)).toEqual([
    { kind: 'heading', level: 1, text: text('Name') },
    { kind: 'paragraph', text: text('One line goes on.') },
    { kind: 'list', items: [text('first'), [{ kind: 'bold', text: 'second' }, { kind: 'text', text: ': ' }, { kind: 'code', text: 'a | b' }]] },
    { kind: 'table', head: [text('a'), text('b')], rows: [[text('1 | 2'), text('3')]] },
    { kind: 'code', text: '{"# no": "heading"}' },
  ])
})

test('stars that emphasise and stars that do not', () => {
  expect(markdown('*Why?* 2 * 3 * 4')).toEqual([{ kind: 'paragraph', text: [{ kind: 'italic', text: 'Why?' }, { kind: 'text', text: ' 2 * 3 * 4' }] }])
})

test('HTML of a stranger stays text', () => {
  expect(markdown('<img src=x onerror=alert(1)> &lt;b&gt;')).toEqual([{ kind: 'paragraph', text: text('<img src=x onerror=alert(1)> <b>') }])
})

test.each(['', '\n\n', '```', '|', '| a |', '# ', '- ', '**', '`', '| a |\n|---|'])('%j ends', (source) => {
  expect(Array.isArray(markdown(source))).toBe(true)
})
