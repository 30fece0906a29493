/** Files from a drop, a folder or the clipboard, with the folders they came from. Free of the framework. */

const paths = new WeakMap<File, string>()
/** Left by operating systems in every folder; nobody means to add them. */
const LITTER = /(^|\/)(\.[^/]*|Thumbs\.db|desktop\.ini|__MACOSX\/.*)$/i

/** "folder/sub/name.png" where the file came with its folder, else its name. */
export function pathOf(file: File): string {
  return paths.get(file) ?? (file.webkitRelativePath || file.name)
}

/** Without what operating systems leave lying about. */
export function withoutLitter(files: Iterable<File>): File[] {
  return [...files].filter((file) => !LITTER.test(pathOf(file)))
}

/** Every file of a drop or paste, folders opened to their depth, in the order of their paths. */
export async function filesOf(transfer: DataTransfer): Promise<File[]> {
  // The list is emptied when the event ends: take what it holds before waiting for anything.
  const items = [...transfer.items].filter((item) => item.kind === 'file').map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }))
  const found: File[] = []
  for (const { entry, file } of items) {
    if (entry?.isDirectory) await walk(entry as FileSystemDirectoryEntry, found)
    else if (file) found.push(file)
  }
  return withoutLitter(found)
}

async function walk(folder: FileSystemDirectoryEntry, found: File[]): Promise<void> {
  const reader = folder.createReader()
  const entries: FileSystemEntry[] = []
  // A reader gives a hundred or so at a time, and an empty list at the end.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((done, failed) => reader.readEntries(done, failed))
    if (!some.length) break
    entries.push(...some)
  }
  entries.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }))
  for (const entry of entries) {
    if (entry.isDirectory) await walk(entry as FileSystemDirectoryEntry, found)
    else {
      const file = await new Promise<File>((done, failed) => (entry as FileSystemFileEntry).file(done, failed))
      paths.set(file, entry.fullPath.replace(/^\//, ''))
      found.push(file)
    }
  }
}
