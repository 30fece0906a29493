/** A project that is open: its classes, films, uploads and training. It outlives the page that shows it, so nothing is lost by leaving. */

import { className, number } from '../i18n/index.svelte'
import { teach as t } from '../i18n/teach'
import { ApiError, call } from './api'
import { byClass } from './folders'
import { sentence } from './sentence'
import { session } from './session.svelte'
import { toasts } from './toasts.svelte'
import { Training } from './training.svelte'
import type { Added, Language, Project, ProjectClass, ProjectFilm, Results, TrainSettings } from './types'
import { UploadQueue, type UploadProblem, type UploadProgress } from './upload'

const PAGE = 500
const CHUNK = 4 * 2 ** 20
/** Warnings depend on the other films, so they are asked for again once things have settled. */
const SETTLED = 800
/** While films keep coming no list is ever new; the last one will do until things have settled. */
const TRIES = 3
/** As models order them, so that colours agree with the other pages. */
const ORDER = ['normal', 'bacterial', 'viral']

export const DEFAULTS: TrainSettings = { head: 'dense', epochs: 50, batch: 16, learning_rate: 0.001, views: 1, balance: true, split_by: 'patient', seed: 0 }

export class OpenProject {
  project = $state.raw<Project | null>(null)
  /** Class -> its films, in the order they came. */
  films = $state.raw<Record<string, ProjectFilm[]>>({})
  /** Films chosen; all of one class. */
  selection = $state.raw<ReadonlySet<string>>(new Set())
  upload = $state.raw<UploadProgress | null>(null)
  problems = $state.raw<UploadProblem[]>([])
  results = $state.raw<Results | null>(null)
  /** Films were moved, added or deleted since the results. */
  stale = $state(false)
  error = $state.raw<unknown>(null)
  readonly training: Training
  #queue: UploadQueue | null = null
  #loading: Promise<void> | null = null
  #next: Promise<void> | null = null
  #settling: ReturnType<typeof setTimeout> | undefined
  /** Counts the changes made from here. */
  #version = 0
  #language: Language | null = null
  /** Films came since the last time that things settled. */
  #arrivals = false

  constructor(readonly id: string) {
    this.training = new Training(id, (job) => {
      if (job.state === 'done' && job.kind === 'train') void this.#newResults()
      else void this.load()
    })
    addEventListener('online', () => this.upload?.state === 'offline' && this.#queue?.resume())
    addEventListener('beforeunload', (event) => {
      if (this.upload && this.upload.state !== 'idle') event.preventDefault()
    })
  }

  /** Everything as the service has it; asked while it is being loaded, once more afterwards. */
  load(): Promise<void> {
    if (!this.#loading) return (this.#loading = this.#load().finally(() => (this.#loading = null)))
    return (this.#next ??= this.#loading.then(() => {
      this.#next = null
      return this.load()
    }))
  }

  /** The same for a language: sentences that came in another are asked for anew. */
  async loadIn(language: Language): Promise<void> {
    if (this.#language !== language) await this.#loading
    const fresh = this.#language !== null && this.#language !== language
    this.#language = language
    await this.load()
    if (fresh && this.results) this.results = await this.#lastResults()
  }

  async #load(): Promise<void> {
    try {
      for (let tries = 0; tries < TRIES; tries += 1) {
        const version = this.#version
        const project = await call<Project>(`/projects/${this.id}`)
        const [films, results] = await Promise.all([this.#allFilms(), project.model && !this.results ? this.#lastResults() : this.results])
        // What came or went meanwhile makes this old.
        if (version !== this.#version && tries < TRIES - 1) continue
        // All at once, so that nothing on the page moves when the rest has come.
        this.films = films
        this.results = results
        this.project = project
        this.error = null
        this.training.show(project.job)
        return
      }
    } catch (error) {
      this.error = error
    }
  }

  async #allFilms(): Promise<Record<string, ProjectFilm[]>> {
    const all: ProjectFilm[] = []
    for (let after: string | null = ''; after !== null; ) {
      const page: { films: ProjectFilm[]; next: string | null } = await call(`/projects/${this.id}/films?limit=${PAGE}${after && `&after=${encodeURIComponent(after)}`}`)
      all.push(...page.films)
      after = page.next
    }
    return byClassId(all)
  }

  /** After a training; the old results stay in sight until the new have come. */
  async #newResults(): Promise<void> {
    await this.load()
    if (this.results?.job === this.training.job?.id) return
    this.results = await this.#lastResults()
    this.stale = false
  }

  /** Null for a project that was opened from a file: it brings its model, but no results of a training here. */
  async #lastResults(): Promise<Results | null> {
    try {
      return await call<Results>(`/projects/${this.id}/results`)
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null
      throw error
    }
  }

  #settle(): void {
    this.stale = this.results !== null
    clearTimeout(this.#settling)
    this.#settling = setTimeout(() => void this.load(), SETTLED)
  }

  get classes(): ProjectClass[] {
    return this.project?.classes.filter((one) => !one.deleted) ?? []
  }

  /** The colour of a class is that of its card, wherever it is named; `otherwise` where the class is gone. */
  colour(label: string, otherwise: number): string {
    const place = this.classes.findIndex((one) => one.name === label)
    return `var(--class-${(place < 0 ? otherwise : place) % 8})`
  }

  /** A film by its id, wherever it is. */
  film(id: string): ProjectFilm | undefined {
    for (const films of Object.values(this.films)) {
      const found = films.find((film) => film.id === id)
      if (found) return found
    }
    return undefined
  }

  // ---- project and classes ------------------------------------------------------------------------------------------------

  async rename(name: string): Promise<void> {
    this.project = await this.#patch('', { name })
  }

  async saveSettings(settings: TrainSettings): Promise<void> {
    if (this.project) this.project = { ...this.project, settings }
    await this.#patch('', { settings })
  }

  #patch(path: string, json: object): Promise<Project> {
    return call<Project>(`/projects/${this.id}${path}`, { method: 'PATCH', json })
  }

  async addClass(name = this.#freeName()): Promise<ProjectClass> {
    const made = await call<ProjectClass>(`/projects/${this.id}/classes`, { method: 'POST', json: { name } })
    this.#version += 1
    if (this.project) this.project = { ...this.project, classes: [...this.project.classes, made] }
    this.#settle()
    return made
  }

  #freeName(): string {
    for (let n = this.classes.length + 1; ; n += 1) {
      const name = t('class_n', { n })
      if (!this.#classCalled(name)) return name
    }
  }

  #classCalled(name: string): ProjectClass | undefined {
    const plain = (text: string) => text.trim().toLowerCase().replace(/[\s_-]+/g, ' ')
    return this.classes.find((one) => plain(one.name) === plain(name) || plain(className(one.name)) === plain(name))
  }

  async renameClass(id: string, name: string): Promise<void> {
    await this.#patch(`/classes/${id}`, { name })
    await this.load()
  }

  async deleteClass(one: ProjectClass): Promise<void> {
    const count = this.films[one.id]?.length ?? 0
    this.#queue?.cancel(one.id)
    await this.#hideClasses([one.id], true)
    toasts.say(t('class_deleted', { name: className(one.name), count: number(count) }), { undo: () => this.#hideClasses([one.id], false) })
  }

  async #hideClasses(ids: string[], deleted: boolean): Promise<void> {
    if (!ids.length) return
    for (const id of ids) await this.#patch(`/classes/${id}`, { deleted })
    this.selection = new Set()
    this.#settle()
    await this.load()
  }

  // ---- films ----------------------------------------------------------------------------------------------------------------

  select(films: Iterable<string>): void {
    this.selection = new Set(films)
  }

  async deleteFilms(ids: string[]): Promise<void> {
    await this.#change({ films: ids, deleted: true })
    const text = ids.length === 1 ? t('film_deleted') : t('films_deleted', { count: number(ids.length) })
    toasts.say(text, { undo: () => this.#change({ films: ids, deleted: false }) })
  }

  /** Films into another class; `text` says it in other words. */
  async moveFilms(ids: string[], to: string, text?: string): Promise<void> {
    const moving = ids.map((id) => this.film(id)).filter((film) => film && film.class !== to) as ProjectFilm[]
    if (!moving.length) return
    const from = byClassId(moving)
    await this.#change({ films: moving.map((film) => film.id), class: to })
    const name = className(this.classes.find((one) => one.id === to)?.name ?? '')
    toasts.say(text ?? (moving.length === 1 ? t('film_moved', { name }) : t('films_moved', { count: number(moving.length), name })), {
      undo: async () => {
        for (const [home, films] of Object.entries(from)) await this.#change({ films: films.map((film) => film.id), class: home })
      },
    })
  }

  async #change(json: { films: string[]; class?: string; deleted?: boolean }): Promise<void> {
    const { films } = await call<{ films: ProjectFilm[] }>(`/projects/${this.id}/films`, { method: 'PATCH', json })
    this.#take(films)
    this.selection = new Set()
    this.#settle()
  }

  /** Films as the service has just told, put where they belong now. */
  #take(told: ProjectFilm[]): void {
    this.#version += 1
    const ids = new Set(told.map((film) => film.id))
    const touched = new Set(told.map((film) => film.class))
    const films = { ...this.films }
    for (const [group, list] of Object.entries(films)) if (list.some((film) => ids.has(film.id))) films[group] = list.filter((film) => !ids.has(film.id))
    for (const group of touched) {
      const coming = told.filter((film) => film.class === group && !film.deleted)
      films[group] = [...(films[group] ?? []), ...coming].sort((a, b) => (a.added < b.added ? -1 : a.added > b.added ? 1 : 0))
    }
    this.films = films
  }

  // ---- uploads ------------------------------------------------------------------------------------------------------------

  /** Films to a class that is there. */
  async add(group: string, files: File[]): Promise<void> {
    if (files.length) (await this.#uploads()).add(group, files)
  }

  /** Files and folders, each folder to the class of its name, which is made where it is missing. */
  async addFolders(files: File[]): Promise<void> {
    const groups = byClass(files, (name) => this.#classCalled(name) !== undefined)
    if (!groups.size) return toasts.say(t('nothing_found'))
    // The classes that a new project begins with make room, where nothing was done with them.
    const spare = this.classes.filter((one) => !this.films[one.id]?.length && /^(Class|Clase) \d+$/.test(one.name)).map((one) => one.id)
    const made: string[] = []
    const rank = (name: string) => ORDER.indexOf(name.toLowerCase()) + 1 || ORDER.length + 1
    for (const [name, films] of [...groups].sort(([a], [b]) => rank(a) - rank(b))) {
      let one = name ? this.#classCalled(name) : undefined
      if (!one) {
        one = await this.addClass(name || undefined)
        made.push(one.id)
      }
      await this.add(one.id, films)
    }
    if (!made.length) return
    await this.#hideClasses(spare, true)
    const count = [...groups.values()].reduce((sum, films) => sum + films.length, 0)
    toasts.say(t('made_classes', { films: number(count), classes: number(groups.size) }), {
      undo: async () => {
        for (const id of made) this.#queue?.cancel(id)
        await this.#hideClasses(made, true)
        await this.#hideClasses(spare, false)
      },
    })
  }

  cancelUploads(): void {
    const done = this.upload?.done ?? 0
    this.#queue?.cancel()
    toasts.say(t('upload_cancelled', { done: number(done) }))
  }

  resumeUploads(): void {
    this.#queue?.resume()
  }

  dismissProblems(group: string): void {
    this.#queue?.dismiss(group)
  }

  async #uploads(): Promise<UploadQueue> {
    if (this.#queue) return this.#queue
    if (!session.about) await session.load()
    this.#queue ??= new UploadQueue(this.id, {
      chunkBytes: Math.min(session.about?.limits.chunk_bytes ?? CHUNK, CHUNK),
      onadded: (_group, added) => this.#arrived(added),
      onchange: () => this.#progressed(),
    })
    return this.#queue
  }

  #arrived(added: Added): void {
    this.#arrivals = true
    this.#take(added.films)
    this.stale = this.results !== null
  }

  #progressed(): void {
    this.upload = this.#queue!.progress
    this.problems = this.#queue!.problems
    if (this.upload.state !== 'idle' || !this.#arrivals) return
    this.#arrivals = false
    this.#settle()
  }
}

function byClassId(films: ProjectFilm[]): Record<string, ProjectFilm[]> {
  const found: Record<string, ProjectFilm[]> = {}
  for (const film of films) (found[film.class] ??= []).push(film)
  return found
}

/** Say what went wrong where nothing on the page is the natural place for it. */
export function orSay(work: Promise<unknown>): void {
  work.catch((error: unknown) => toasts.say(sentence(error)))
}

const open = new Map<string, OpenProject>()

/** The open project of that id; the same one as long as the page lives. */
export function openProject(id: string): OpenProject {
  let found = open.get(id)
  if (!found) open.set(id, (found = new OpenProject(id)))
  return found
}
