/** One film asked of one model. Free of the framework. */

import { ask, call } from './api'
import type { Answers, Prediction } from './types'

/** The model's answer to a film. */
export async function predict(model: string, film: Blob, name = film instanceof File ? film.name : 'film'): Promise<Prediction> {
  const body = new FormData()
  body.append('file', film, name)
  const { predictions } = await call<Answers>(`/predictions?model=${encodeURIComponent(model)}`, { method: 'POST', body })
  return predictions[0]!
}

/** An address that shows the film: its own where the browser can draw it, else the service's picture of it; null where neither can. */
export async function urlOf(film: File): Promise<string | null> {
  try {
    ;(await createImageBitmap(film)).close()
    return URL.createObjectURL(film)
  } catch {
    // DICOM, TIFF or no picture at all: the service says.
  }
  try {
    const body = new FormData()
    body.append('file', film, film.name)
    return URL.createObjectURL(await (await ask('/previews', { method: 'POST', body })).blob())
  } catch {
    return null
  }
}
