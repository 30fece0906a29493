/** Bytes -> a decoded film; runs in a worker. The DICOM part is fetched when the first DICOM file comes. */

import { MOST_BYTES, type Picture } from './conversions'
import { CannotDecode } from './errors'
import { decodeJpeg } from './jpeg'
import { decodePng } from './png'
import { sniff } from './sniff'
import { sha256 } from '../sha256'
import type { DecodedFilm } from '../decode'

export async function decodeBytes(file: Blob): Promise<DecodedFilm> {
  if (file.size > MOST_BYTES) throw new CannotDecode('too-large', `${file.size} bytes`)
  const started = performance.now()
  const bytes = new Uint8Array(await file.arrayBuffer())
  const film = await decoded(bytes)
  return { objections: [], warnings: [], ...film, sha256: await sha256(bytes), readMs: performance.now() - started }
}

type Found = Picture & { kind: DecodedFilm['kind']; objections?: string[]; warnings?: string[] }

async function decoded(bytes: Uint8Array): Promise<Found> {
  const kind = sniff(bytes)
  switch (kind) {
    case 'jpeg':
      return { ...(await decodeJpeg(bytes)), kind }
    case 'png':
      return { ...(await decodePng(bytes)), kind }
    case 'dicom': {
      const { decodeDicom } = await import('./dicom')
      return { ...(await decodeDicom(bytes)), kind }
    }
    case 'zip':
      throw new CannotDecode('archive')
    case '':
      throw new CannotDecode('not-a-film')
    default:
      throw new CannotDecode('format', kind)
  }
}
