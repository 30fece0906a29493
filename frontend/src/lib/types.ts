/**
 * What the service's API takes and gives, version 1, as src/deephealth/service/schemas.py defines it.
 * All paths are below /api/v1. Times are ISO 8601 in UTC, shares and probabilities 0..1, sizes in pixels or bytes.
 */

export type Language = 'en' | 'es'
export type Role = 'viewer' | 'editor' | 'admin'

/** A value with its 95 % interval and what it was measured on; null where undefined. */
export interface Estimate {
  value: number | null
  low: number | null
  high: number | null
  films: number
  patients: number
}

/** RFC 9457. `code` is for programs, `detail` a sentence in the language asked for (Accept-Language). */
export interface Problem {
  type: string
  title: string
  status: number
  detail: string
  code: string
  /** What the sentence is about: a form field, a film's name. */
  about?: string
}

// ---- GET /about ---------------------------------------------------------------------------------------------------

export interface About {
  version: string
  /** "local": no accounts, this machine only. "accounts": sign in first. "open": no accounts, reachable by others, by explicit flag. */
  access: 'local' | 'accounts' | 'open'
  user: { name: string; role: Role } | null
  limits: { file_bytes: number; request_bytes: number; pixels: number; chunk_bytes: number; quota_bytes: number; used_bytes: number }
  /** The model that answers on Read. */
  serving: string
  /** The model trained on synthetic films that answers the examples; null where there is none. */
  classroom: string | null
}

// ---- POST /predictions?model=ID  (multipart, field `file`, one or more; zip archives are unpacked) -------------------

export interface Answers {
  model: { id: string; name: string; labels: string[] }
  predictions: Prediction[]
  timings_ms: { total: number }
}

export interface Prediction {
  file: string
  /** Of the file's bytes; "" where unreadable. */
  sha256: string
  width: number
  height: number
  /** "jpeg" | "png" | "tiff" | "bmp" | "dicom". */
  kind: string
  /** The most probable label; "" where unreadable. */
  label: string
  probabilities: Record<string, number>
  novelty: number | null
  /** null: the model knows no training films, and refuses none for being unlike them. */
  novelty_threshold: number | null
  /** The gate's answer; the probabilities stand all the same. */
  refused: boolean
  /** A sentence in the language asked for; "" when neither refused nor unreadable. */
  reason: string
  /** "" | "unreadable" | "tags" (not a frontal chest film by its own tags) | "novelty" | "too-large" | "timeout". */
  reason_code: string
  /** The film could not be read: `refused` is true too. */
  error: boolean
  /** The labels that a set promised to hold the right one would name; empty list: none probable enough; null: the model has no such rule. */
  conformal: { level: number; labels: string[] } | null
  /** More than one label is in the conformal set or, where there is none, the two most probable lie within 0.2. */
  uncertain: boolean
  operating_points: Verdict[]
  /** How often answers this sure were right on the model's own test films; null where the model carries no such table. */
  reliability: { low: number; high: number; correct: Estimate } | null
  heatmap: Heatmap | null
  warnings: string[]
  model: string
  timings_ms: { read: number; run: number; total: number }
}

export interface Verdict {
  name: string
  positive: string[]
  threshold: number
  /** Summed probability of the positive labels. */
  probability: number
  verdict: 'positive' | 'negative'
  sensitivity: Estimate
  specificity: Estimate
}

export interface Heatmap {
  /** Rows, columns: the cells cover the film evenly. */
  grid: [number, number]
  /** Evidence in logits drawn at full colour. */
  scale: number
  /** label -> rows of logits. */
  values: Record<string, number[][]>
  /** label -> address of a transparent PNG of the film's aspect; the address holds the map, so any replica can draw it. */
  links: Record<string, string>
}

// ---- POST /previews (multipart, field `file`) -> image/png, 8 bit grey: a film that the browser cannot decode --------
// ---- GET /examples -------------------------------------------------------------------------------------------------

/** Synthetic films, answered by the classroom model. GET /examples/{id}.png */
export interface Example {
  id: string
  label: string
  href: string
  /** A small PNG of it, as a data: address. */
  thumbnail: string
}

// ---- GET /models?archived=true, GET|PATCH|DELETE /models/{id}, POST /models (raw ONNX body) -----------------------------

export type LampState = 'good' | 'warning' | 'bad' | 'unknown'
export interface Lamp {
  state: LampState
  /** One sentence in the language asked for. */
  text: string
}

export interface Artefact {
  name: string
  /** "onnx" | "report-html" | "report-json" | "split" | "events" | "card" | ... */
  kind: string
  bytes: number
  href: string
}

export interface ModelSummary {
  /** SHA-256 of the file. */
  id: string
  name: string
  labels: string[]
  /** null for the model that ships. */
  created: string | null
  origin: 'shipped' | 'trained' | 'imported'
  project: string | null
  /** Trained on synthetic films. */
  classroom: boolean
  serving: boolean
  archived: boolean
  films: number
  patients: number
  headline: { metric: string; estimate: Estimate } | null
  lamps: { leakage: Lamp; shortcut: Lamp; calibration: Lamp }
  artefacts: Artefact[]
}

export interface ModelDetail extends ModelSummary {
  /** Markdown in the language asked for. */
  card: string
  size: number
  grid: number
  licence: string
  limits: string[]
  /** split -> metric -> estimate. */
  metrics: Record<string, Record<string, Estimate>>
  operating_points: Omit<Verdict, 'probability' | 'verdict'>[]
  /** The record without hashes and golden films. */
  record: Record<string, unknown>
}
// PATCH /models/{id} {serving?: true, archived?: boolean, name?: string} -> ModelDetail
// POST /models/{id}/verify -> {ok: boolean, largest_difference: number, films: number, text: string}
// GET /models/{id}/file (ONNX), /models/{id}/report (HTML), /models/{id}/card?lang=es (Markdown)

// ---- Projects ----------------------------------------------------------------------------------------------------------

export interface ProjectSummary {
  id: string
  name: string
  created: string
  changed: string
  films: number
  classes: number
  deleted: boolean
  job: Job | null
}

export interface ProjectClass {
  id: string
  name: string
  films: number
  deleted: boolean
}

export interface Project extends Omit<ProjectSummary, 'classes'> {
  classes: ProjectClass[]
  settings: TrainSettings
  /** What is wrong with the project as a whole, such as a class too small: shown beside the class or the button. */
  warnings: Warning[]
  model: string | null
}
// GET /projects?deleted=true -> {projects: ProjectSummary[]}; POST /projects {name, classes?: string[]} -> 201 Project
// GET|PATCH|DELETE /projects/{id}; PATCH {name?, settings?, deleted?: false}. DELETE only hides: PATCH deleted=false is the undo.
// POST /projects/{id}/classes {name} -> 201 ProjectClass; PATCH /projects/{id}/classes/{class} {name?, deleted?}
// POST /projects/examples {kind: "clean"|"corner-marker"|"border"|"size", per_class?: number} -> 202 {project: Project, job: Job}
// GET /projects/{id}/archive -> one file, de-identified; POST /projects/archive (raw body) -> 201 Project

export interface Warning {
  /** "duplicate" | "copy-in-another-class" | "patient-in-another-class" | "not-chest" | "class-too-small" | "one-class" | "unreadable" */
  code: string
  text: string
  film?: string
  class?: string
}

export interface ProjectFilm {
  id: string
  name: string
  class: string
  sha256: string
  width: number
  height: number
  /** A number of the patient within the project, never a name; null where unknown. */
  patient: string | null
  added: string
  deleted: boolean
  warnings: Warning[]
  thumbnail: string
  image: string
}
// GET /projects/{id}/films?class=&after=&limit=200&deleted= -> {films: ProjectFilm[], next: string | null}
// PATCH /projects/{id}/films {films: string[], class?: string, deleted?: boolean, patient?: string|null} -> {films: ProjectFilm[]}  (undo: the opposite)
// GET /projects/{id}/films/{film}/heatmap?label= -> transparent PNG: the evidence of the project's own last model (404: none yet)
// POST /projects/{id}/films?class=ID (multipart, field `file`, many) -> Added. With header Idempotency-Key (16-64 hexadecimal digits), the same
// key again is answered as the first time and adds nothing: the page repeats a post whose answer a broken connection swallowed.

export interface Added {
  films: ProjectFilm[]
  problems: { name: string; reason: string; code: string }[]
}

/** POST /uploads {project, class, name, bytes, sha256?} -> 201 Upload; GET /uploads/{id}; PATCH /uploads/{id} with header Upload-Offset
 *  and a body of at most chunk_bytes -> Upload. 409 with the true offset in header Upload-Offset when it is another. */
export interface Upload {
  id: string
  offset: number
  bytes: number
  /** When all bytes are there: what became of them. */
  added: Added | null
}

// ---- Jobs ---------------------------------------------------------------------------------------------------------------

export interface TrainSettings {
  head: 'dense' | 'softmax' | 'logistic'
  epochs: number
  batch: number
  learning_rate: number
  /** Views of each film, 1: the film alone. */
  views: number
  balance: boolean
  split_by: 'patient' | 'film'
  seed: number
}

export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled' | 'interrupted'
export interface Job {
  id: string
  kind: 'train' | 'evaluate' | 'compare' | 'example'
  project: string | null
  state: JobState
  created: string
  started: string | null
  ended: string | null
  /** A sentence when failed. */
  problem: string
  /** "" | "leakage" (the same film or patient on both sides of the split: `allow_leakage` trains all the same) | "data" | "failed" | ... */
  problem_code: string
  progress: { stage: string; done: number; total: number } | null
  model: string | null
  artefacts: Artefact[]
}
// POST /projects/{id}/jobs {kind: "train", settings?: TrainSettings, allow_leakage?: boolean} -> 202 Job
// POST /jobs {kind: "evaluate", model, project} | {kind: "compare", model, other, project} -> 202 Job
// GET /jobs?project=&state= -> {jobs: Job[]}; GET /jobs/{id}; POST /jobs/{id}/cancel -> Job
// GET /jobs/{id}/events: server-sent events; id: line number from 1, event: the kind below, data: JSON. Last-Event-ID (or ?after=) replays.
// The last event is "JobEnded" {state, problem, problem_code, model}. A comment line every 15 s keeps the connection.

export type JobEvent =
  | { event: 'RunStarted'; time: number; command: string; data: string; seed: number; threads: number }
  | { event: 'StageStarted'; time: number; stage: string; detail: string }
  | { event: 'Progress'; time: number; stage: string; done: number; total: number; reused: number }
  | ({ event: 'EpochDone'; time: number; epoch: number; epochs: number } & Measured)
  | ({ event: 'StepDone'; time: number; step: number } & Measured)
  | { event: 'Note'; time: number; text: string }
  | { event: 'RunFinished'; time: number; model: string; report: string }
  | { event: 'JobEnded'; time: number; state: JobState; problem: string; problem_code: string; model: string | null }

export interface Measured {
  loss: number
  accuracy: number | null
  validation_loss: number | null
  validation_accuracy: number | null
  learning_rate: number | null
}

/** GET /projects/{id}/results: what the last finished training gave, for the page below the three columns; 404 when there is none. */
export interface Results {
  job: string
  model: string
  /** "95 of 120 right, 79 % [71-86]; label predictable without the lungs: ..." */
  verdict: string
  right: number
  films: number
  patients: number
  accuracy: Estimate
  classes: { label: string; films: number; sensitivity: Estimate; specificity: Estimate; auc: Estimate }[]
  /** Rows: the films' label; columns: the answer. Films of project id, in the test split. */
  confusion: { counts: number[][]; films: string[][][] }
  audit: { verdict: string; state: LampState; probes: { name: string; text: string; score: Estimate }[] }
  leakage: { text: string; state: LampState }
  label_errors: { film: string; label: string; suggested: string; probability: number }[]
  /** Every test film with its answer. */
  answers: { film: string; label: string; answer: string; probabilities: Record<string, number>; refused: boolean }[]
  curves: ({ epoch: number } & Measured)[]
  report: string
  artefacts: Artefact[]
}

// ---- Accounts -------------------------------------------------------------------------------------------------------------
// POST /session {name, password} -> Who and a cookie; DELETE /session?everywhere= -> 204; PUT /session/password {current, new} -> 204, signs out
export type Who = { name: string; role: Role }

// GET /users -> {users: Account[]}; POST /users {name, password, role} -> 201 Account; PATCH /users/{name} {role?, disabled?, password?} -> Account;
// DELETE /users/{name} -> 204. All admin. The last admin stays: 409 "last-admin". Passwords have 10 to 200 characters.
export interface Account {
  name: string
  role: Role
  created: string
  disabled: boolean
  /** Last use of an open session. */
  seen: string | null
}

// GET /tokens -> {tokens: Token[]} (one's own); POST /tokens {label, role} -> 201 Token & {token: string}, told once; DELETE /tokens/{id} -> 204
export interface Token {
  id: string
  label: string
  role: Role
  created: string
  used: string | null
}

// GET /audit-log?after=&limit=200 (admin) -> AuditLog; without `after` the newest entries
export interface AuditLog {
  entries: { number: number; time: string; user: string; action: string; about: Record<string, unknown>; sha256: string }[]
  /** No entry of the whole log was changed, removed or moved. */
  intact: boolean
  /** The first that was; "" when intact. */
  problem: string
}
