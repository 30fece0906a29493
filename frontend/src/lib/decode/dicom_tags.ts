/** Why, by its own tags, a DICOM film is not a frontal chest radiograph, and what to know of it: as src/deephealth/images/dicom_tags.py says it. */

import type { DataSet } from 'dicom-parser'
import { firstItem, text } from './dataset'

const SOP = '1.2.840.10008.5.1.4.1.1.'
const RADIOGRAPHS = [SOP + '1', SOP + '1.1', SOP + '1.1.1']
const SECONDARY = [SOP + '7', ...[1, 2, 3, 4].map((n) => `${SOP}7.${n}`)]
const FRONTAL_CODES: Record<string, string> = { '399348003': 'AP', 'R-10206': 'AP', '399161006': 'PA', '272479007': 'PA', 'R-10214': 'PA' }
const LATERAL = ['LL', 'RL', 'LAT', 'LATERAL', 'LLAT', 'RLAT', 'LATERO-LATERAL']
const CHEST = ['CHEST', 'THORAX', 'THORACIC CAVITY', 'TORAX', 'TÓRAX', 'LUNG']
/** Names of the classes that stray into a folder of films; the others are named by their identifier. */
const NAMES: Record<string, string> = {
  '1.2': 'Digital Mammography X-Ray Image Storage - For Presentation',
  '1.2.1': 'Digital Mammography X-Ray Image Storage - For Processing',
  '1.3': 'Digital Intra-Oral X-Ray Image Storage - For Presentation',
  '2': 'CT Image Storage',
  '2.1': 'Enhanced CT Image Storage',
  '4': 'MR Image Storage',
  '4.1': 'Enhanced MR Image Storage',
  '6.1': 'Ultrasound Image Storage',
  '3.1': 'Ultrasound Multi-frame Image Storage',
  '12.1': 'X-Ray Angiographic Image Storage',
  '12.2': 'X-Ray Radiofluoroscopic Image Storage',
  '20': 'Nuclear Medicine Image Storage',
  '128': 'Positron Emission Tomography Image Storage',
  '481.1': 'RT Image Storage',
  '77.1.4': 'VL Photographic Image Storage',
}

interface Tags {
  modality: string
  sop: string
  view: string
  body: string
}

function tagsOf(ds: DataSet): Tags {
  return {
    modality: text(ds, 'x00080060').toUpperCase(),
    sop: text(ds, 'x00080016'),
    view: viewOf(ds),
    body: (text(ds, 'x00180015') || codeMeaning(ds, 'x00082218')).toUpperCase(),
  }
}

/** Reasons, by the file's own tags, why this is not a frontal chest radiograph for presentation. */
export function objections(ds: DataSet): string[] {
  const { modality, sop, view, body } = tagsOf(ds)
  const found: string[] = []
  if (modality && !['CR', 'DX', 'RG', 'SC', 'OT'].includes(modality)) {
    found.push(`its modality is ${modality}, expected a radiograph (CR, DX or RG)`)
  } else if (sop && !RADIOGRAPHS.includes(sop) && !SECONDARY.includes(sop)) {
    found.push(`its SOP class is ${(sop.startsWith(SOP) && NAMES[sop.slice(SOP.length)]) || sop}, expected a radiograph`)
  }
  if (text(ds, 'x00080068').toUpperCase() === 'FOR PROCESSING' || sop === SOP + '1.1.1') {
    found.push('its pixels are FOR PROCESSING, expected a film FOR PRESENTATION')
  }
  if (['LATERAL', 'LLO', 'RLO'].includes(view)) found.push(`its view is ${view === 'LATERAL' ? 'lateral' : 'oblique'}, expected PA or AP`)
  if (body && !CHEST.some((word) => body.includes(word))) found.push(`its body part is ${body}, expected CHEST`)
  return found
}

/** What a reader should know of the film but need not stop for. */
export function cautions(ds: DataSet): string[] {
  const { modality, sop, view } = tagsOf(ds)
  const found: string[] = []
  if (modality === 'SC' || modality === 'OT') found.push(`modality is ${modality}, which does not say that this is a radiograph`)
  else if (!modality) found.push('does not say its modality')
  else if (SECONDARY.includes(sop)) {
    found.push(`is a Secondary Capture although its modality is ${modality}: it may have been converted from a picture`)
  }
  if (!view) found.push('does not say its view position')
  else if (!['PA', 'AP', 'LATERAL', 'LLO', 'RLO'].includes(view)) found.push(`has view position ${view}, expected PA or AP`)
  const burned = text(ds, 'x00280301').toUpperCase()
  if (burned === 'YES') found.push('has text burned into its pixels')
  else if (burned !== 'NO') found.push('does not say whether text is burned into its pixels')
  if (!spacingPlausible(ds)) found.push('has a pixel spacing of zero or none that can be read; its scale is unknown')
  return found
}

function viewOf(ds: DataSet): string {
  const view = text(ds, 'x00185101').toUpperCase() || codedView(ds)
  if (LATERAL.includes(view) || (view.includes('LATERAL') && !view.includes('DECUB'))) return 'LATERAL'
  // Rows that run from front to back.
  if (!view && /^[AP]/i.test(text(ds, 'x00200020'))) return 'LATERAL'
  return view
}

function codedView(ds: DataSet): string {
  const item = firstItem(ds, 'x00540220')
  if (!item) return ''
  return FRONTAL_CODES[text(item, 'x00080100')] ?? codeMeaning(ds, 'x00540220').toUpperCase()
}

function codeMeaning(ds: DataSet, sequence: string): string {
  const item = firstItem(ds, sequence)
  return item ? text(item, 'x00080104') : ''
}

/** Whether the distance of rows and columns, at the detector first, is absent or can be true. */
function spacingPlausible(ds: DataSet): boolean {
  const value = text(ds, 'x00181164') || text(ds, 'x00280030')
  if (!value) return true
  const numbers = value.split('\\').map(Number)
  return numbers.length === 2 && numbers.every((number) => number > 0 && number < 100)
}
