/** Who is signed in, what the service allows, and whether it answers. */

import { call, reach } from './api'
import type { About, Role } from './types'

const AGAIN_AFTER = 3000

class Session {
  about = $state.raw<About | null>(null)
  /** The service was asked once, with or without an answer: until then nobody knows whether to sign in. */
  settled = $state(false)
  offline = $state(false)
  #timer: ReturnType<typeof setTimeout> | undefined
  #rank: Role[] = ['viewer', 'editor', 'admin']

  constructor() {
    reach.addEventListener('answered', () => this.#reached())
    reach.addEventListener('offline', () => this.#lost())
    reach.addEventListener('signed-out', () => {
      this.#reached()
      // Signed out elsewhere or too long ago. Without a name there is nothing to lose.
      if (this.about?.user) void this.load()
    })
    addEventListener('online', () => void this.load())
  }

  /** Accounts are on and nobody is signed in. */
  get mustSignIn(): boolean {
    return this.about?.access === 'accounts' && !this.about.user
  }

  /** Whether whoever is here may do what `role` may: the service names a role where there are no accounts, too. */
  may(role: Role): boolean {
    if (!this.about) return true
    return this.#rank.indexOf(this.about.user?.role ?? 'viewer') >= this.#rank.indexOf(role)
  }

  async load(): Promise<void> {
    try {
      this.about = await call<About>('/about')
    } catch {
      // Offline is told by `reach`; any other failure will be met again, with its sentence, by the page's own requests.
    }
    this.settled = true
  }

  async signIn(name: string, password: string): Promise<void> {
    await call('/session', { method: 'POST', json: { name, password } })
    await this.load()
  }

  async signOut(): Promise<void> {
    await call('/session', { method: 'DELETE' })
    await this.load()
  }

  #reached(): void {
    this.offline = false
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #lost(): void {
    this.offline = true
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      void this.load()
    }, AGAIN_AFTER)
  }
}

export const session = new Session()
