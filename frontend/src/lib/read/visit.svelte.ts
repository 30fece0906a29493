/**
 * The films of this visit: what was opened, what is asked, what was answered. In memory only, one for the page, so that leaving Read for
 * another page and coming back finds everything as it was.
 */

import { ask, call, reach, spoken, ApiError } from '../api'
import { CannotDecode, decodeFilm, type DecodedFilm } from '../decode'
import { pathOf } from '../files'
import { CannotRun, loadLocalModel, type LocalModel } from '../infer'
import { session } from '../session.svelte'
import { toasts } from '../toasts.svelte'
import type { Answers, Example, ModelSummary, Prediction } from '../types'
import type { GreyFilm, View } from '../viewer'
import { number } from '../../i18n/index.svelte'
import { read as t } from '../../i18n/read'
import { greysOf, thumbnailOf } from './film'
import { Film, type FilmState } from './films.svelte'
import { Queue, type Pause } from './queue'
import { CannotUnzip, isZip, unzip } from './unzip'
import { unreadable } from './unreadable'

/** How the heatmap is shown, for every film of the visit. label "": that of each film's answer. */
interface Heat {
  on: boolean
  opacity: number
  label: string
}

export type Local = { state: 'off' } | { state: 'loading'; share: number } | { state: 'ready' } | { state: 'failed'; error: unknown }

const KEPT_OPEN = 3
/** Where the browser keeps which model answers in the page; absent: the service answers. */
const LOCAL = 'deephealth.local'
const CHANGES_MS = 250

class Visit {
  films = $state.raw<Film[]>([])
  current = $state.raw<Film | null>(null)
  beside = $state.raw<Film | null>(null)
  comparing = $state(false)
  linked = $state(true)
  /** What a linked viewer shows, and which film it shows it of. */
  view = $state.raw<{ film: Film; view: View } | null>(null)
  table = $state(false)
  heat = $state<Heat>({ on: false, opacity: 0.6, label: '' })
  point = $state('')
  /** Films that were looked at, newest first. */
  opened = $state.raw<Film[]>([])
  /** Films in the order of the table, for the keys that step through them. */
  order = $state.raw<Film[]>([])

  models = $state.raw<ModelSummary[]>([])
  examples = $state.raw<Example[] | null>(null)
  trouble = $state.raw<unknown>(null)
  /** The model chosen for one's own films; "": the one that serves. */
  model = $state('')

  pause = $state.raw<Pause | null>(null)
  /** Since when the films under way are read, how many there were, and how many are done. */
  run = $state.raw<{ started: number; total: number; done: number }>({ started: 0, total: 0, done: 0 })
  /** Grows, a few times a second at most, when any film has changed: what the table waits for. */
  changes = $state(0)
  local = $state.raw<Local>({ state: 'off' })

  #queue = new Queue<Film>((film, signal) => this.#answer(film, signal), {
    failed: (film, error) => this.#settle(film, 'failed', error),
    changed: () => (this.pause = this.#queue.pause),
  })
  #pixels = new Map<Film, Promise<GreyFilm>>()
  /** Models that run in the page, by their identifier; the first is the one chosen, others answer the films made for them. */
  #here = new Map<string, Promise<LocalModel>>()
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor() {
    // Someone got through to the service: what waits here need not wait any longer.
    reach.addEventListener('answered', () => this.pause?.reason === 'offline' && this.#queue.wake())
    // Whoever wanted films kept on this device wants so tomorrow as well, with or without a network.
    const chosen = localStorage.getItem(LOCAL)
    if (chosen) this.goLocal(chosen)
  }

  /** What the page must know before the first film: which model serves, which there are, which films to try. */
  async prepare(): Promise<void> {
    const [models, examples] = await Promise.allSettled([
      call<{ models: ModelSummary[] }>('/models'),
      call<{ examples: Example[] }>('/examples'),
      session.load(),
    ])
    if (models.status === 'fulfilled') this.models = models.value.models.filter((model) => !model.archived)
    this.trouble = models.status === 'rejected' ? models.reason : null
    // No classroom model, no films to try: the same as an empty list.
    this.examples = examples.status === 'fulfilled' ? examples.value.examples : []
    const serving = this.model || session.about?.serving
    if (this.local.state !== 'off' && serving && !this.#here.has(serving)) this.goLocal()
  }

  // ---- Models ---------------------------------------------------------------------------------------------------------

  /** The model that answers for a film. */
  modelOf(film: Film | null): ModelSummary | null {
    const id = film?.model || this.model || session.about?.serving
    return this.models.find((model) => model.id === id) ?? null
  }

  /** The labels that a film's bars have, before its answer is there as well. */
  labelsOf(film: Film): string[] {
    return film.labels.length ? film.labels : (this.modelOf(film)?.labels ?? [])
  }

  /** Ask another model: about the film shown, or about all in the table. One's next films go to it as well. */
  use(id: string): void {
    this.model = id
    if (this.local.state !== 'off') this.goLocal()
    const films = this.table ? this.films.filter((film) => !film.example && film.state !== 'held') : [this.current, this.beside]
    this.again(films.filter((film) => film !== null))
  }

  // ---- Films ----------------------------------------------------------------------------------------------------------

  /** Films from a drop, a picker, the clipboard or the camera: one is opened, several go to the table. */
  async add(files: File[]): Promise<void> {
    const films = (await Promise.all(files.map((file) => this.#filmsIn(file)))).flat()
    this.#take(films)
  }

  /** A synthetic film, answered by the classroom model. */
  try(example: Example, name: string): void {
    const film = new Film(name, async () => (await ask(example.href)).blob(), true)
    film.model = session.about?.classroom ?? ''
    this.#take([film])
  }

  #take(films: Film[]): void {
    if (!films.length) return
    this.films = [...this.films, ...films]
    if (films.length > 1) this.table = true
    else this.show(films[0]!)
    this.#ask(films)
  }

  async #filmsIn(file: File): Promise<Film[]> {
    const path = pathOf(file)
    if (!(await isZip(file).catch(() => false))) return [new Film(path, async () => file)]
    try {
      const inside = await unzip(file, session.about?.limits.file_bytes ?? 256e6)
      if (!inside.length) toasts.say(t('empty_archive', { name: path }))
      return inside.map(({ name, read }) => new Film(`${path}/${name}`, read))
    } catch (error) {
      if (!(error instanceof CannotUnzip)) throw error
      // The service opens it, or says why not.
      return [new Film(path, async () => file)]
    }
  }

  /** Open a film in the viewer, or beside the first one when two are compared. */
  show(film: Film): void {
    if (this.comparing && this.current && film !== this.current) this.beside = film
    else if (!this.comparing) this.current = film
    this.current ??= film
    this.table = false
    this.opened = [film, ...this.opened.filter((one) => one !== film)].slice(0, 200)
    // The film one looks at need not wait for a thousand others.
    if (film.state === 'waiting' && this.#queue.cancel([film]).length) this.#queue.add([film], { first: true })
  }

  /** The film so many places further in the table's order. */
  step(by: number): void {
    const order = this.order.length ? this.order : this.films
    const next = this.current && order[order.indexOf(this.current) + by]
    if (next && !this.comparing) this.show(next)
  }

  compare(on: boolean): void {
    this.comparing = on
    this.beside = null
    this.view = null
  }

  /** Drop films from the visit; gives back what puts them there again. */
  forget(films: Film[]): () => void {
    const before = { films: this.films, opened: this.opened, current: this.current, table: this.table }
    const gone = new Set(films)
    const running = this.#queue.cancel(films)
    this.#progress(-running.length, 0)
    this.films = this.films.filter((film) => !gone.has(film))
    this.opened = this.opened.filter((film) => !gone.has(film))
    this.order = this.order.filter((film) => !gone.has(film))
    if (this.beside && gone.has(this.beside)) this.beside = null
    if (this.current && gone.has(this.current)) this.current = this.opened[0] ?? this.films[0] ?? null
    if (!this.current) this.compare(false)
    if (!this.films.length) this.table = false
    for (const film of films) this.#pixels.delete(film)
    return () => {
      Object.assign(this, before)
      this.#ask(running)
    }
  }

  // ---- Pixels ---------------------------------------------------------------------------------------------------------

  /** A film's greys; the last few are kept, for going back and forth between films. */
  greys(film: Film): Promise<GreyFilm> {
    const known = this.#pixels.get(film)
    if (known) this.#pixels.delete(film)
    const pixels = known ?? this.#open(film)
    this.#pixels.set(film, pixels)
    pixels.catch(() => this.#pixels.delete(film))
    for (const oldest of [...this.#pixels.keys()].slice(0, -KEPT_OPEN)) this.#pixels.delete(oldest)
    return pixels
  }

  async #open(film: Film): Promise<GreyFilm> {
    if (!film.read) throw new Error(t('no_source'))
    const greys = await greysOf(await film.read(), () => this.local.state === 'off' || film.maySend)
    if (!film.thumbnail) film.thumbnail = await thumbnailOf(greys)
    return greys
  }

  // ---- Answers --------------------------------------------------------------------------------------------------------

  #ask(films: Film[], options: { first?: boolean } = {}): void {
    for (const film of films) film.state = 'waiting'
    if (this.run.done >= this.run.total) this.run = { started: Date.now(), total: 0, done: 0 }
    this.#progress(films.length, 0)
    this.#queue.add(films, options)
  }

  /** Ask again about films that have an answer, failed or were cancelled. */
  again(films: Film[]): void {
    this.#ask(
      films.filter((film) => film.settled && film.read),
      { first: films.length < 3 },
    )
  }

  /** Send films that the page could not read: the reader has said yes to these. */
  send(films: Film[]): void {
    for (const film of films) {
      film.maySend = true
      this.#pixels.delete(film)
    }
    this.again(films)
  }

  retryNow(): void {
    this.#queue.wake()
  }

  cancel(): void {
    const films = this.#queue.cancel()
    for (const film of films) this.#settle(film, 'cancelled')
    toasts.say(t('cancelled', { count: number(films.length) }), { undo: () => this.again(films) })
  }

  async #answer(film: Film, signal: AbortSignal): Promise<void> {
    film.state = 'working'
    try {
      const file = await film.read!()
      signal.throwIfAborted()
      if (this.local.state !== 'off' && !film.maySend) await this.#answerHere(film, file)
      else await this.#answerThere(film, file, signal)
    } catch (error) {
      if (film.state === 'working') film.state = 'waiting'
      throw error
    }
  }

  async #answerThere(film: Film, file: Blob, signal: AbortSignal): Promise<void> {
    const limit = session.about?.limits.file_bytes ?? Infinity
    if (file.size > limit) {
      const megabytes = (bytes: number) => `${number(bytes / 1e6, 1)} MB`
      return this.#settle(film, 'failed', new ApiError(413, 'too-large', t('too_large', { name: film.title, size: megabytes(file.size), limit: megabytes(limit) })))
    }
    const body = new FormData()
    body.append('file', file, film.title)
    const model = film.model || this.model
    let answers: Answers
    try {
      answers = await call<Answers>(`/predictions${model ? `?model=${model}` : ''}`, { method: 'POST', body, signal })
    } catch (error) {
      // Alone in its request, a film that cannot be read is a problem; in the page it is an answer like those of an archive's films.
      const answer = unreadable(error, film, this.modelOf(film))
      if (!answer) throw error
      return this.#answered(film, answer, this.modelOf(film)?.labels ?? [])
    }
    const { predictions, model: answered } = answers
    const [first, ...others] = predictions
    if (!first) return this.#settle(film, 'failed', new Error(t('empty_archive', { name: film.title })))
    if (others.length) return this.#unfold(film, predictions, answered.labels)
    this.#answered(film, first, answered.labels)
  }

  async #answerHere(film: Film, file: Blob): Promise<void> {
    try {
      const shown = await this.#pixels.get(film)?.catch(() => null)
      const greys = shown && isDecoded(shown) ? shown : await decodeFilm(file)
      const model = await this.#modelHere(film.model)
      this.#answered(film, await model.answer(greys, film.title), model.labels, true)
    } catch (error) {
      if (error instanceof CannotDecode) this.#settle(film, 'held', error)
      else if (error instanceof CannotRun) this.#settle(film, 'failed', error)
      else throw error
    }
  }

  #answered(film: Film, prediction: Prediction, labels: string[], here = false): void {
    film.here = here
    film.language = spoken()
    film.prediction = { ...prediction, file: film.name }
    film.labels = labels
    this.#settle(film, 'answered')
  }

  /** An archive that only the service could open: its films take its place. */
  #unfold(archive: Film, predictions: Prediction[], labels: string[]): void {
    const films = predictions.map((prediction) => {
      const film = new Film(`${archive.name}/${prediction.file}`, null)
      this.#answered(film, prediction, labels)
      return film
    })
    this.films = this.films.flatMap((film) => (film === archive ? films : [film]))
    this.opened = this.opened.filter((film) => film !== archive)
    if (this.current === archive) this.current = null
    this.table = true
    this.#progress(predictions.length - 1, 0)
  }

  #settle(film: Film, state: FilmState, error: unknown = null): void {
    film.state = state
    film.error = error
    this.#progress(0, 1)
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.changes++
    }, CHANGES_MS)
  }

  #progress(total: number, done: number): void {
    const { run } = this
    this.run = { ...run, total: run.total + total, done: run.done + done }
  }

  // ---- In the browser only --------------------------------------------------------------------------------------------

  /** From now on this page answers and nothing is sent; what was on its way is stopped and answered here. */
  goLocal(id = this.model || session.about?.serving || ''): void {
    this.#endLocal()
    localStorage.setItem(LOCAL, id)
    const waiting = this.#queue.cancel()
    const current = () => this.#here.get(id) === loading
    const loading = loadLocalModel(id, (share) => current() && (this.local = { state: 'loading', share }))
    this.#here.set(id, loading)
    this.local = { state: 'loading', share: 0 }
    loading.then(
      () => current() && (this.local = { state: 'ready' }),
      (error: unknown) => current() && (this.local = { state: 'failed', error }),
    )
    this.#queue.add(waiting)
  }

  /** The service answers again. */
  leaveLocal(): void {
    this.#endLocal()
    localStorage.removeItem(LOCAL)
    this.local = { state: 'off' }
  }

  /** The model that a film was made for, else the one chosen. */
  #modelHere(id: string): Promise<LocalModel> {
    const [chosen] = this.#here.values()
    if (!id) return chosen ?? Promise.reject(new CannotRun('failed'))
    const known = this.#here.get(id) ?? loadLocalModel(id)
    this.#here.set(id, known)
    return known
  }

  #endLocal(): void {
    for (const model of this.#here.values()) {
      model.then(
        (running) => running.close(),
        () => undefined,
      )
    }
    this.#here.clear()
  }
}

/** Whether the greys on the screen were decoded here, from the film's own file. */
const isDecoded = (greys: GreyFilm): greys is DecodedFilm => 'sha256' in greys

export const visit = new Visit()
