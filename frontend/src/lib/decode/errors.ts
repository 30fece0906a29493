/** Why a film could not be decoded in the page. `code` is a key of i18n/local.ts. */

export type CannotDecodeCode =
  | 'archive' // a zip: several films
  | 'format' // TIFF or BMP
  | 'transfer-syntax' // DICOM compressed in a way the page has no decoder for
  | 'colour' // CMYK JPEG, colour or palette DICOM
  | 'frames' // several frames or pages
  | 'noise' // the browser disturbs pixels that are read back, against fingerprinting
  | 'not-a-film'
  | 'no-pixels'
  | 'too-large'
  | 'damaged'

/** What the service reads although the page does not: worth asking whether to send it. */
const SERVICE_READS: ReadonlySet<string> = new Set<CannotDecodeCode>(['archive', 'format', 'transfer-syntax', 'colour', 'noise'])

export class CannotDecode extends Error {
  /** Whether the service may be able to read the film all the same. */
  readonly serviceReads: boolean

  constructor(
    readonly code: string,
    /** For whoever looks for the cause; in English, and never shown. */
    readonly detail = '',
  ) {
    super(detail ? `${code}: ${detail}` : code)
    this.name = 'CannotDecode'
    this.serviceReads = SERVICE_READS.has(code)
  }
}
