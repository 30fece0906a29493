/** Dropped or picked folders as classes: "films/normal/a.png" is a film of the class "normal". Free of the framework. */

export interface Found {
  /** Folder names from the top, without the file's own. */
  folders: string[]
  file: File
}

/** Every file of a drop, folders opened. Call it within the drop event: the browser forgets the entries afterwards. */
export function filesOfDrop(transfer: DataTransfer): Promise<Found[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry != null)
  if (!entries.length) return Promise.resolve(filesOfPick(transfer.files))
  return Promise.all(entries.map((entry) => opened(entry, []))).then((found) => found.flat().filter(isFilm))
}

/** Every file of an <input type="file">, with or without `webkitdirectory`. */
export function filesOfPick(files: Iterable<File>): Found[] {
  return [...files].map((file) => ({ folders: file.webkitRelativePath.split('/').slice(0, -1).filter(Boolean), file })).filter(isFilm)
}

async function opened(entry: FileSystemEntry, folders: string[]): Promise<Found[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))
    return [{ folders, file }]
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader()
  const found: Found[] = []
  for (;;) {
    // A browser gives at most 100 at a time and an empty list at the end.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject))
    if (!some.length) return found
    found.push(...(await Promise.all(some.map((inner) => opened(inner, [...folders, entry.name])))).flat())
  }
}

/** Files that operating systems leave in every folder, and lists beside the films, are no films. */
function isFilm({ file }: Found): boolean {
  return !/^(\.|thumbs\.db$|desktop\.ini$|dicomdir$)|\.(csv|tsv|json|txt|md|html?|xml|toml)$/i.test(file.name)
}

const SPLITS = /^(train(ing)?|val(id(ation)?)?|test(ing)?|entrenamiento|validaci[oó]n|prueba)$/i

/**
 * Films by the name of their class. The class is the first folder below those that all films share, folders of a split ("train", "test")
 * left out; where all films share every folder, the innermost one. "" holds films that lay in no folder.
 * `known` tells names that are classes already, so that a class dropped with one folder for each patient stays one class.
 */
export function byClass(found: Found[], known: (name: string) => boolean = () => false): Map<string, File[]> {
  const paths = found.map(({ folders }) => folders.filter((name) => !SPLITS.test(name)))
  const inside = paths.filter((path) => path.length)
  const shared = commonLength(inside)
  const named = inside[0]?.slice(0, shared).findLastIndex(known) ?? -1
  const classes = new Map<string, File[]>()
  found.forEach(({ file }, index) => {
    const path = paths[index]!
    const name = named >= 0 ? path[named] : (path.find(known) ?? path[shared] ?? path[path.length - 1])
    const films = classes.get(name ?? '')
    if (films) films.push(file)
    else classes.set(name ?? '', [file])
  })
  return classes
}

function commonLength(paths: string[][]): number {
  const [first = []] = paths
  const differs = first.findIndex((name, place) => paths.some((path) => path[place] !== name))
  return differs < 0 ? first.length : differs
}
