/** Elements that take what is dropped on them: files from outside, or films of the project that are dragged about. */

import type { Attachment } from 'svelte/attachments'
import { filesOf } from './files'

/** The kind under which films are dragged: their ids, as JSON. */
export const FILMS = 'application/x-deephealth-films'

export interface Takes {
  files(files: File[]): void
  films?(ids: string[]): void
}

/** While something that it takes is above, the element has the attribute `data-over`; inner elements go first. */
export function droppable(takes: Takes): Attachment<HTMLElement> {
  return (node) => {
    const wants = (transfer: DataTransfer | null) => transfer?.types.includes('Files') || (takes.films && transfer?.types.includes(FILMS))

    function over(event: DragEvent): void {
      const mine = wants(event.dataTransfer) && !event.defaultPrevented
      node.toggleAttribute('data-over', Boolean(mine))
      if (mine) event.preventDefault()
    }

    function leave(event: DragEvent): void {
      if (!node.contains(event.relatedTarget as Node | null)) node.removeAttribute('data-over')
    }

    function drop(event: DragEvent): void {
      node.removeAttribute('data-over')
      const transfer = event.dataTransfer
      if (!transfer || event.defaultPrevented || !wants(transfer)) return
      event.preventDefault()
      const films = transfer.getData(FILMS)
      if (films) takes.films?.(JSON.parse(films) as string[])
      else void filesOf(transfer).then(takes.files)
    }

    node.addEventListener('dragover', over)
    node.addEventListener('dragleave', leave)
    node.addEventListener('drop', drop)
    return () => {
      node.removeEventListener('dragover', over)
      node.removeEventListener('dragleave', leave)
      node.removeEventListener('drop', drop)
    }
  }
}
