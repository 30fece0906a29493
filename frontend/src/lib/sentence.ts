/** What went wrong as one sentence in the reader's language. */

import { problems } from '../i18n/shared'
import { ApiError } from './api'

type Key = Parameters<typeof problems>[0]
const KNOWN = new Set<string>(['offline', 'http-401', 'http-403', 'http-404', 'http-413', 'http-429', 'http-503'] satisfies Key[])

/** The service's own sentence where it gave one, also as plain text; otherwise one of ours. */
export function sentence(error: unknown): string {
  if (typeof error === 'string') return error
  if (!(error instanceof ApiError)) return problems('page', { detail: error instanceof Error ? error.message : String(error) })
  if (KNOWN.has(error.code)) return problems(error.code as Key)
  if (error.code.startsWith('http-')) return problems('other', { status: error.status })
  return error.message
}
