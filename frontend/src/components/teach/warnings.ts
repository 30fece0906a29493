import { teach as t } from '../../i18n/teach'
import type { Warning } from '../../lib/types'

const SHORT = new Set(['duplicate', 'copy-in-another-class', 'patient-in-another-class', 'not-chest', 'unreadable'] as const)
type Short = typeof SHORT extends Set<infer Code> ? Code : never

/** A warning in the two or three words that fit under a thumbnail; the whole sentence is its `text`. */
export function shortWarning({ code }: Warning): string {
  return SHORT.has(code as Short) ? t(`warn_${code as Short}`) : t('warn_other')
}
