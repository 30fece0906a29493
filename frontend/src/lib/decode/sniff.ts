/** What a file is, by its first bytes and never by its name: as src/deephealth/images/read.py tells it. */

export type Kind = 'jpeg' | 'png' | 'tiff' | 'bmp' | 'dicom' | 'zip' | ''

const MAGIC: readonly (readonly [string, Kind])[] = [
  ['\xff\xd8\xff', 'jpeg'],
  ['\x89PNG\r\n\x1a\n', 'png'],
  ['II*\0', 'tiff'],
  ['MM\0*', 'tiff'],
  ['II+\0', 'tiff'],
  ['MM\0+', 'tiff'],
  ['BM', 'bmp'],
  ['PK\x03\x04', 'zip'],
  ['PK\x05\x06', 'zip'],
]
const VALUE_KINDS = new Set('AE AS AT CS DA DS DT FL FD IS LO LT OB OW PN SH SL SQ SS ST TM UI UL UN US UT'.split(' '))

/** Bytes as text, one letter a byte. */
export const latin = (bytes: Uint8Array, start: number, end: number): string => String.fromCharCode(...bytes.subarray(start, end))

export function sniff(bytes: Uint8Array): Kind {
  if (latin(bytes, 128, 132) === 'DICM') return 'dicom' // first: the preamble before it may be a TIFF header
  const start = latin(bytes, 0, 8)
  return MAGIC.find(([magic]) => start.startsWith(magic))?.[1] ?? (bareDicom(bytes) ? 'dicom' : '')
}

/** Whether a file without the DICOM preamble starts with a plausible data element of group 0002 or 0008 (PS3.5, 7.1). */
function bareDicom(bytes: Uint8Array): boolean {
  if (bytes.length < 16) return false
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return [true, false].some((little) => {
    const group = view.getUint16(0, little)
    if ((group !== 0x0002 && group !== 0x0008) || view.getUint16(2, little) > 0x3010) return false
    if (VALUE_KINDS.has(latin(bytes, 4, 6))) return true
    return little && view.getUint32(4, true) <= Math.min(bytes.length - 8, 1024)
  })
}
