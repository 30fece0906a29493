/**
 * The films of a zip archive, each unpacked only when it is asked for, so that an archive of a thousand films costs no memory.
 * APPNOTE.TXT 4.3: the directory at the end is read, never the local headers' sizes. What it cannot read (encrypted, zip64) it says;
 * the service reads such archives itself, or says why not.
 */

import { withoutLitter } from '../files'

export class CannotUnzip extends Error {}

interface Entry {
  name: string
  method: number
  packed: number
  size: number
  at: number
}

const END = 0x06054b50
const ENTRY = 0x02014b50
const MOST_FILMS = 10_000
const FULL = 0xffffffff

/** Whether a file begins as a zip archive does. */
export async function isZip(file: Blob): Promise<boolean> {
  const start = new Uint8Array(await file.slice(0, 4).arrayBuffer())
  return start[0] === 0x50 && start[1] === 0x4b && ((start[2] === 3 && start[3] === 4) || (start[2] === 5 && start[3] === 6))
}

/** The archive's files by their path, folders and litter left out. `limit`: bytes that one may unpack to. Throws CannotUnzip. */
export async function unzip(archive: Blob, limit: number): Promise<{ name: string; read: () => Promise<Blob> }[]> {
  const entries = await directory(archive)
  const files = entries.filter(({ name }) => !name.endsWith('/') && withoutLitter([new File([], name)]).length)
  return files.map((entry) => ({ name: entry.name, read: () => unpack(archive, entry, limit) }))
}

async function directory(archive: Blob): Promise<Entry[]> {
  const from = Math.max(0, archive.size - 65_557)
  const tail = new DataView(await archive.slice(from).arrayBuffer())
  let end = tail.byteLength - 22
  while (end >= 0 && tail.getUint32(end, true) !== END) end--
  if (end < 0) throw new CannotUnzip('no directory')
  const [count, bytes, start] = [tail.getUint16(end + 10, true), tail.getUint32(end + 12, true), tail.getUint32(end + 16, true)]
  if (count > MOST_FILMS || count === 0xffff || start === FULL) throw new CannotUnzip('too many files')
  const view = new DataView(await archive.slice(start, start + bytes).arrayBuffer())
  const entries: Entry[] = []
  for (let at = 0; entries.length < count; ) {
    if (at + 46 > view.byteLength || view.getUint32(at, true) !== ENTRY) throw new CannotUnzip('damaged')
    const [name, extra, comment] = [28, 30, 32].map((place) => view.getUint16(at + place, true)) as [number, number, number]
    entries.push(entryAt(view, at, name))
    at += 46 + name + extra + comment
  }
  return entries
}

function entryAt(view: DataView, at: number, nameLength: number): Entry {
  const flags = view.getUint16(at + 8, true)
  const entry = {
    name: new TextDecoder(flags & 0x800 ? 'utf-8' : 'windows-1252').decode(new Uint8Array(view.buffer, view.byteOffset + at + 46, nameLength)),
    method: view.getUint16(at + 10, true),
    packed: view.getUint32(at + 20, true),
    size: view.getUint32(at + 24, true),
    at: view.getUint32(at + 42, true),
  }
  if (flags & 1 || ![0, 8].includes(entry.method) || [entry.packed, entry.size, entry.at].includes(FULL)) throw new CannotUnzip('encrypted or zip64')
  return entry
}

async function unpack(archive: Blob, entry: Entry, limit: number): Promise<Blob> {
  if (entry.size > limit) throw new CannotUnzip('too large')
  const local = new DataView(await archive.slice(entry.at, entry.at + 30).arrayBuffer())
  if (local.byteLength < 30) throw new CannotUnzip('damaged')
  const start = entry.at + 30 + local.getUint16(26, true) + local.getUint16(28, true)
  const packed = archive.slice(start, start + entry.packed)
  if (entry.method === 0) return packed
  return inflated(packed, entry.size)
}

/** Never more than announced, whatever the stream holds. */
async function inflated(packed: Blob, size: number): Promise<Blob> {
  const reader = packed.stream().pipeThrough(new DecompressionStream('deflate-raw')).getReader()
  const parts: Uint8Array<ArrayBuffer>[] = []
  let total = 0
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      parts.push(value as Uint8Array<ArrayBuffer>)
      if ((total += value.length) > size) throw new CannotUnzip('more than announced')
    }
  } catch (error) {
    throw error instanceof CannotUnzip ? error : new CannotUnzip('damaged')
  } finally {
    reader.cancel().catch(() => undefined)
  }
  return new Blob(parts)
}
