/** Short messages at the foot of the page, each with its undo: instead of asking "are you sure" before. */

import { sentence } from './sentence'

export interface Toast {
  id: number
  text: string
  undo?: () => void | Promise<void>
}

const SECONDS = { plain: 6, undo: 15 }

class Toasts {
  list = $state.raw<Toast[]>([])
  #next = 1
  #timers = new Map<number, ReturnType<typeof setTimeout>>()

  /** Show `text` for some seconds; `undo` puts back what was done. */
  say(text: string, { undo }: { undo?: Toast['undo'] } = {}): void {
    const toast = { id: this.#next++, text, undo }
    // Three at most: a fourth pushes the oldest out.
    for (const old of this.list.slice(0, -2)) this.dismiss(old.id)
    this.list = [...this.list, toast]
    this.#start(toast)
  }

  dismiss(id: number): void {
    clearTimeout(this.#timers.get(id))
    this.#timers.delete(id)
    this.list = this.list.filter((toast) => toast.id !== id)
  }

  /** While one reads or reaches for a message, none goes away. */
  hold(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
  }

  release(): void {
    this.hold()
    for (const toast of this.list) this.#start(toast)
  }

  /** Undo the newest message that can be undone, or the given one; false when there is none. */
  async undo(toast = this.list.findLast((shown) => shown.undo)): Promise<boolean> {
    if (!toast?.undo) return false
    this.dismiss(toast.id)
    try {
      await toast.undo()
    } catch (error) {
      this.say(sentence(error))
    }
    return true
  }

  #start(toast: Toast): void {
    this.#timers.set(
      toast.id,
      setTimeout(() => this.dismiss(toast.id), 1000 * (toast.undo ? SECONDS.undo : SECONDS.plain)),
    )
  }
}

export const toasts = new Toasts()
