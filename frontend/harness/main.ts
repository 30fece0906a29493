/** A page without a face: the functions that the real one calls, for tests to call. Never part of the build that ships. */

import { speak } from '../src/lib/api'
import { decodeFilm } from '../src/lib/decode'
import { loadLocalModel } from '../src/lib/infer'

Object.assign(globalThis, { decodeFilm, loadLocalModel, speak })
