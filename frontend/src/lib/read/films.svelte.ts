/** One film of the visit: its file, what is asked about it, and what was answered. */

import type { Language, Prediction } from '../types'

/** held: it would have to be sent, and the reader has not agreed. cancelled: the reader stopped the batch before its turn. */
export type FilmState = 'waiting' | 'working' | 'answered' | 'failed' | 'held' | 'cancelled'

let count = 0

export class Film {
  readonly id = count++
  state = $state<FilmState>('waiting')
  /** The last answer; stays while another model is asked. */
  prediction = $state.raw<Prediction | null>(null)
  /** The labels of the model that answered, in its order. */
  labels = $state.raw<string[]>([])
  error = $state.raw<unknown>(null)
  thumbnail = $state('')
  /** The reader agreed that this film goes to the service although the page is to answer. */
  maySend = $state(false)
  /** The language of its answer's sentences. */
  language = $state<Language>('en')
  /** Its answer was made in this page. */
  here = $state(false)
  /** The reader asked for the numbers of this film although it was refused. */
  anyway = $state(false)
  /** The model that is to answer; "": the one in use. */
  model = $state('')

  constructor(
    /** With its folders. */
    readonly name: string,
    /** The file; null where only the service could open the archive it lay in. */
    readonly read: (() => Promise<Blob>) | null,
    readonly example = false,
  ) {}

  get settled(): boolean {
    return this.state !== 'waiting' && this.state !== 'working'
  }

  /** The last part of its name. */
  get title(): string {
    return this.name.slice(this.name.lastIndexOf('/') + 1)
  }
}
