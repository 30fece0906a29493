/** Dropped or picked folders as classes: "films/normal/a.png" is a film of the class "normal". Free of the framework. */

import { pathOf } from './files'

/** Lists and notes that lie beside the films of a set are no films; nor is what lies in folders such as `_masks`. */
const BESIDE = /(^dicomdir|\.(csv|tsv|json|jsonl|txt|md|html?|xml|toml|pdf))$/i
const SPLITS = /^(train(ing)?|val(id(ation)?)?|test(ing)?|entrenamiento|validaci[oó]n|prueba)$/i

/**
 * Films by the name of their class. The class is the first folder below those that all films share, folders of a split ("train", "test")
 * left out; where all films share every folder, the innermost one. "" holds films that lay in no folder.
 * `known` tells names that are classes already, so that a class dropped with one folder for each patient stays one class.
 */
export function byClass(files: File[], known: (name: string) => boolean = () => false): Map<string, File[]> {
  const films = files.filter((file) => !BESIDE.test(file.name) && !/(^|\/)[._][^/]*\//.test(pathOf(file)))
  const paths = films.map((file) => pathOf(file).split('/').slice(0, -1).filter((name) => name && !SPLITS.test(name)))
  const inside = paths.filter((path) => path.length)
  const shared = commonLength(inside)
  const named = inside[0]?.slice(0, shared).findLastIndex(known) ?? -1
  const classes = new Map<string, File[]>()
  films.forEach((file, index) => {
    const path = paths[index]!
    const name = (named >= 0 ? path[named] : (path.find(known) ?? path[shared] ?? path.at(-1))) ?? ''
    const others = classes.get(name)
    if (others) others.push(file)
    else classes.set(name, [file])
  })
  return classes
}

function commonLength(paths: string[][]): number {
  const [first = []] = paths
  const differs = first.findIndex((name, place) => paths.some((path) => path[place] !== name))
  return differs < 0 ? first.length : differs
}
