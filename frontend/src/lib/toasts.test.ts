import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ApiError } from './api'
import { toasts } from './toasts.svelte'

beforeEach(() => vi.useFakeTimers())
afterEach(() => {
  for (const toast of toasts.list) toasts.dismiss(toast.id)
  vi.useRealTimers()
})
const texts = () => toasts.list.map((toast) => toast.text)

test('a message goes by itself, later when it can be undone, and not while it is held', () => {
  toasts.say('kept')
  toasts.say('moved', { undo: () => {} })
  vi.advanceTimersByTime(7000)
  expect(texts()).toEqual(['moved'])
  toasts.hold()
  vi.advanceTimersByTime(60000)
  expect(texts()).toEqual(['moved'])
  toasts.release()
  vi.advanceTimersByTime(16000)
  expect(texts()).toEqual([])
})

test('undo takes the newest act that can be undone, once', async () => {
  const undone: string[] = []
  toasts.say('first', { undo: () => void undone.push('first') })
  toasts.say('second', { undo: () => void undone.push('second') })
  toasts.say('plain')
  expect(await toasts.undo()).toBe(true)
  expect(await toasts.undo()).toBe(true)
  expect(await toasts.undo()).toBe(false)
  expect(undone).toEqual(['second', 'first'])
})

test('an undo that fails says why', async () => {
  toasts.say('deleted', { undo: () => Promise.reject(new ApiError(410, 'gone', 'The film was cleaned up an hour ago.')) })
  await toasts.undo()
  expect(texts()).toEqual(['The film was cleaned up an hour ago.'])
})

test('three messages at most', () => {
  for (const text of ['1', '2', '3', '4']) toasts.say(text)
  expect(texts()).toEqual(['2', '3', '4'])
})
