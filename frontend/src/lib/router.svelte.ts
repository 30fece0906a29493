/** The address says where one is: /, /teach/ID, /models/ID, /help. Links are ordinary links; this only spares the reload. */

export interface Place {
  page: 'read' | 'teach' | 'models' | 'help'
  rest: string[]
  query: URLSearchParams
}

function parse(): Place {
  const [first = '', ...rest] = location.pathname.split('/').filter(Boolean).map(decodeURIComponent)
  const page = first === 'teach' || first === 'models' || first === 'help' ? first : 'read'
  return { page, rest, query: new URLSearchParams(location.search) }
}

class Router {
  place = $state.raw<Place>(parse())

  constructor() {
    addEventListener('popstate', () => (this.place = parse()))
    addEventListener('click', (event) => this.#follow(event))
  }

  go(path: string, { replace = false } = {}): void {
    history[replace ? 'replaceState' : 'pushState']({}, '', path)
    this.place = parse()
  }

  #follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const link = (event.target as Element | null)?.closest?.('a')
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return
    if (!/^\/(|teach|models|help)(\/|$)/.test(link.pathname)) return
    event.preventDefault()
    if (link.href !== location.href) this.go(link.pathname + link.search + link.hash)
  }
}

export const router = new Router()
