/** The address says where one is: /, /teach/ID, /models/ID, /help. Links are ordinary links; this only spares the reload. */

const PAGES = ['teach', 'models', 'help', 'accounts'] as const
export type Page = 'read' | (typeof PAGES)[number] | 'missing'

export interface Place {
  page: Page
  rest: string[]
  query: URLSearchParams
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part // a lone % is no escape: let it name nothing
  }
}

export function parse(address: { pathname: string; search: string }): Place {
  const [first, ...rest] = address.pathname.split('/').filter(Boolean).map(decoded)
  const page = first === undefined || first === 'read' ? 'read' : (PAGES.find((name) => name === first) ?? 'missing')
  return { page, rest, query: new URLSearchParams(address.search) }
}

class Router {
  place = $state.raw<Place>(parse(location))
  /** How often another address was gone to: the frame moves the focus then. */
  visits = $state(0)
  /** Fetches the code of a page before it is shown, so that the page before stays until then. Set by the frame. */
  prepare: (page: Page) => Promise<unknown> = async () => {}

  constructor() {
    addEventListener('popstate', () => void this.#arrive())
    addEventListener('click', (event) => this.#follow(event))
  }

  /** Go to an address of the page. On the same page it is there at once. `replace`: only the address changes, nobody travels. */
  go(path: string, { replace = false } = {}): void {
    const from = location.pathname
    history[replace ? 'replaceState' : 'pushState']({}, '', path)
    void this.#arrive(!replace && location.pathname !== from)
  }

  async #arrive(travelled = true): Promise<void> {
    const next = parse(location)
    const href = location.href
    if (next.page !== this.place.page) {
      await this.prepare(next.page)
      if (location.href !== href) return // gone on meanwhile
    }
    const show = () => {
      this.place = next
      if (travelled) this.visits++
    }
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches || document.hidden
    if (next.page === this.place.page || still || !('startViewTransition' in document)) show()
    else document.startViewTransition(show)
  }

  #follow(event: MouseEvent): void {
    if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const link = (event.target as Element | null)?.closest?.('a')
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return
    const { page } = parse(link)
    if (page === 'missing') return // the service's own, such as /docs
    // A place on this very page is the browser's own business.
    if (link.hash && link.pathname === location.pathname && link.search === location.search) return
    event.preventDefault()
    if (link.href !== location.href) this.go(link.pathname + link.search + link.hash)
  }
}

export const router = new Router()
