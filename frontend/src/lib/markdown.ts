/** The Markdown of model cards as blocks for elements: headings, paragraphs, lists, tables, code, bold, italic. Anything else stays text. */

export type Inline = { kind: 'text' | 'bold' | 'italic' | 'code'; text: string }
export type Block =
  | { kind: 'heading'; level: number; text: Inline[] }
  | { kind: 'paragraph'; text: Inline[] }
  | { kind: 'list'; items: Inline[][] }
  | { kind: 'table'; head: Inline[][]; rows: Inline[][][] }
  | { kind: 'code'; text: string }

const HEADING = /^(#{1,6}) +(.*)$/
const ITEM = /^[-*] +(.*)$/
const ROW = /^\|(.*)\|\s*$/
const RULE = /^\|[\s|:-]+\|\s*$/
const FENCE = /^```/

export function markdown(source: string): Block[] {
  const lines = source.split('\n')
  const blocks: Block[] = []
  let at = 0
  /** The lines from here on for which `belongs` holds. */
  const take = (belongs: (line: string) => boolean): string[] => {
    const from = at
    while (at < lines.length && belongs(lines[at]!)) at++
    return lines.slice(from, at)
  }
  while (at < lines.length) {
    const line = lines[at]!
    const heading = HEADING.exec(line)
    if (!line.trim()) at++
    else if (FENCE.test(line)) {
      at++
      blocks.push({ kind: 'code', text: take((next) => !FENCE.test(next)).join('\n') })
      at++
    } else if (heading) {
      at++
      blocks.push({ kind: 'heading', level: heading[1]!.length, text: inline(heading[2]!) })
    } else if (ITEM.test(line)) {
      blocks.push({ kind: 'list', items: take((next) => ITEM.test(next)).map((item) => inline(ITEM.exec(item)![1]!)) })
    } else if (ROW.test(line) && RULE.test(lines[at + 1] ?? '')) {
      const [head, , ...rows] = take((next) => ROW.test(next)).map(cells)
      blocks.push({ kind: 'table', head: head!, rows })
    } else {
      at++
      const more = take((next) => next.trim() !== '' && ![HEADING, ITEM, FENCE].some((other) => other.test(next)))
      blocks.push({ kind: 'paragraph', text: inline([line, ...more].join(' ')) })
    }
  }
  return blocks
}

function cells(line: string): Inline[][] {
  return ROW.exec(line)![1]!
    .split(/(?<!\\)\|/)
    .map((cell) => inline(cell.trim()))
}

function inline(text: string): Inline[] {
  const found: Inline[] = []
  let from = 0
  for (const match of text.matchAll(/\*\*(.+?)\*\*|`([^`]+)`|(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])/g)) {
    if (match.index > from) found.push({ kind: 'text', text: plain(text.slice(from, match.index)) })
    if (match[1] !== undefined) found.push({ kind: 'bold', text: plain(match[1].replaceAll('`', '')) })
    else if (match[2] !== undefined) found.push({ kind: 'code', text: plain(match[2]) })
    else found.push({ kind: 'italic', text: plain(match[3]!) })
    from = match.index + match[0].length
  }
  if (from < text.length) found.push({ kind: 'text', text: plain(text.slice(from)) })
  return found
}

/** As the card escapes a stranger's words. */
function plain(text: string): string {
  return text.replaceAll('\\|', '|').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}
