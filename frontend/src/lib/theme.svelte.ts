/** Light or dark: films are read in the dark, everything else in the light, and a choice of the reader's goes before both. */

export type Theme = 'auto' | 'light' | 'dark'
const KEY = 'deephealth.theme'

class Shown {
  choice = $state<Theme>((['light', 'dark'] as const).find((theme) => theme === localStorage.getItem(KEY)) ?? 'auto')

  use(choice: Theme): void {
    this.choice = choice
    if (choice === 'auto') localStorage.removeItem(KEY)
    else localStorage.setItem(KEY, choice)
  }

  /** Put the theme of a page on the document. */
  apply(page: string): void {
    document.documentElement.dataset.theme = this.choice === 'auto' ? (page === 'read' ? 'dark' : 'light') : this.choice
  }
}

export const theme = new Shown()
