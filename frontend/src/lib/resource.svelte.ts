/** Something of the service that a component shows: asked for at once and again on demand, with its problem where that fails. */

export class Resource<T> {
  value = $state.raw<T | null>(null)
  problem = $state.raw<unknown>(null)
  #ask: () => Promise<T>

  constructor(ask: () => Promise<T>) {
    this.#ask = ask
    void this.load()
  }

  async load(): Promise<void> {
    try {
      this.value = await this.#ask()
      this.problem = null
    } catch (error) {
      this.problem = error
    }
  }

  /** Do `act` and load again; its problem is kept beside. True when it went well. */
  async after(act: () => Promise<unknown>): Promise<boolean> {
    try {
      await act()
    } catch (error) {
      this.problem = error
      return false
    }
    await this.load()
    return true
  }
}
