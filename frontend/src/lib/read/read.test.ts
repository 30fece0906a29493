import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ApiError } from '../api'
import type { Prediction, Verdict } from '../types'
import { pictureName, toCsv, toJson } from './export'
import { Queue, retryAfter } from './queue'
import { chosenPoint, resultOf, tickOf } from './result'
import { CannotUnzip, isZip, unzip } from './unzip'
import { crc32, ZipWriter } from './zip'

const answer: Prediction = {
  file: 'a.png', sha256: '', width: 10, height: 10, kind: 'png', label: 'bacterial', probabilities: { normal: 0.05, bacterial: 0.7123456789, viral: 0.2376543211 },
  novelty: 1.23456789, novelty_threshold: 1.8, refused: false, reason: '', reason_code: '', error: false, conformal: null, uncertain: false,
  operating_points: [], reliability: null, heatmap: null, warnings: [], model: 'abc', timings_ms: { read: 1, run: 2, total: 3 },
}

describe('the queue', () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  /** A queue over numbered items; `behave` decides each attempt. */
  function queueOf(behave: (id: number, attempt: number) => Promise<void>, limit = 3) {
    const seen = { done: [] as number[], failed: [] as number[], most: 0, now: 0 }
    const attempts = new Map<number, number>()
    const queue = new Queue<{ id: number }>(
      async ({ id }) => {
        attempts.set(id, (attempts.get(id) ?? 0) + 1)
        seen.most = Math.max(seen.most, ++seen.now)
        try {
          await behave(id, attempts.get(id)!)
          seen.done.push(id)
        } finally {
          seen.now--
        }
      },
      { failed: ({ id }) => seen.failed.push(id) },
      limit,
    )
    return { queue, seen, attempts }
  }
  const items = (count: number) => Array.from({ length: count }, (_, id) => ({ id }))
  const soon = () => new Promise<void>((done) => setTimeout(done, 10))

  it('has so many under way and no more, in order', async () => {
    const { queue, seen } = queueOf(soon)
    queue.add(items(20))
    await vi.runAllTimersAsync()
    expect(seen.done).toEqual(items(20).map(({ id }) => id))
    expect(seen.most).toBe(3)
    expect(queue.left).toBe(0)
  })

  it('waits as long as a busy service asks, loses nothing, and repeats no finished film', async () => {
    const busy = new ApiError(429, 'busy', 'later', undefined, new Headers({ 'Retry-After': '7' }))
    const { queue, seen, attempts } = queueOf(async (id, attempt) => {
      await soon()
      if (id === 2 && attempt === 1) throw busy
    }, 1)
    queue.add(items(4))
    await vi.advanceTimersByTimeAsync(40)
    expect(seen.done).toEqual([0, 1])
    expect(queue.pause?.reason).toBe('busy')
    await vi.advanceTimersByTimeAsync(6900)
    expect(seen.done).toEqual([0, 1])
    await vi.advanceTimersByTimeAsync(300)
    expect(seen.done).toEqual([0, 1, 2, 3])
    expect([...attempts.values()]).toEqual([1, 1, 2, 1])
    expect(seen.failed).toEqual([])
  })

  it('goes on after the network was away, with one film first, at once when woken', async () => {
    let away = true
    const { queue, seen } = queueOf(async () => {
      await soon()
      if (away) throw new ApiError(0, 'offline', 'no network')
    })
    queue.add(items(9))
    await vi.advanceTimersByTimeAsync(60_000)
    expect(seen.done).toEqual([])
    expect(queue.left).toBe(9)
    expect(queue.pause?.reason).toBe('offline')
    away = false
    queue.wake()
    expect(seen.now).toBe(1)
    await vi.advanceTimersByTimeAsync(100)
    expect(seen.done.toSorted()).toEqual(items(9).map(({ id }) => id))
    expect(queue.pause).toBeNull()
  })

  it('hands on what will not pass, and a film that is always too much', async () => {
    const { queue, seen } = queueOf(async (id) => {
      if (id === 1) throw new ApiError(415, 'kind', 'no film')
      if (id === 2) throw new ApiError(503, 'busy', 'later')
    })
    queue.add(items(4))
    await vi.advanceTimersByTimeAsync(600_000)
    expect(seen.done).toEqual([0, 3])
    expect(seen.failed).toEqual([1, 2])
  })

  it('cancels what waits and what is under way', async () => {
    const { queue, seen } = queueOf(soon, 2)
    queue.add(items(5))
    await vi.advanceTimersByTimeAsync(15)
    expect(queue.cancel()).toHaveLength(3)
    await vi.runAllTimersAsync()
    expect(queue.left).toBe(0)
    expect(seen.failed).toEqual([])
  })

  it('reads Retry-After as seconds or a date', () => {
    const after = (value: string) => retryAfter(new ApiError(429, '', '', undefined, new Headers({ 'Retry-After': value })))
    expect(after('12')).toBe(12)
    expect(after(new Date(Date.now() + 9000).toUTCString())).toBeGreaterThan(7)
    expect(after('soon')).toBeNull()
  })
})

describe('archives', () => {
  const bytes = (text: string) => new TextEncoder().encode(text)

  it('are written and read back, folders, accents and all, without litter', async () => {
    const writer = new ZipWriter(new Date(2026, 1, 3, 4, 5, 6))
    writer.add({ name: 'tórax/película 1.png', bytes: bytes('one') })
    writer.add({ name: '__MACOSX/._x.png', bytes: bytes('litter') })
    writer.add({ name: 'two.png', bytes: bytes('') })
    const archive = writer.close()
    expect(await isZip(archive)).toBe(true)
    expect(await isZip(new Blob(['PNG']))).toBe(false)
    const films = await unzip(archive, 1000)
    expect(films.map(({ name }) => name)).toEqual(['tórax/película 1.png', 'two.png'])
    expect(await (await films[0]!.read()).text()).toBe('one')
  })

  it('are refused when damaged, and so is a film that would unpack to too much', async () => {
    await expect(unzip(new Blob(['PK\x03\x04 and nothing more']), 10)).rejects.toThrow(CannotUnzip)
    const writer = new ZipWriter()
    writer.add({ name: 'a.png', bytes: bytes('12345678901') })
    const [film] = await unzip(writer.close(), 10)
    await expect(film!.read()).rejects.toThrow(CannotUnzip)
  })

  it('carry the usual check sum', () => expect(crc32(bytes('123456789'))).toBe(0xcbf43926))
})

describe('what an answer says', () => {
  it('names the label alone when it stands alone', () => {
    expect(resultOf(answer)).toEqual({ label: 'bacterial', against: [], none: false, right: null })
  })

  it('names what it is uncertain against: the conformal set, else the second most probable', () => {
    expect(resultOf({ ...answer, uncertain: true }).against).toEqual(['viral'])
    const conformal = { level: 0.9, labels: ['normal', 'bacterial'] }
    expect(resultOf({ ...answer, uncertain: true, conformal }).against).toEqual(['normal'])
    expect(resultOf({ ...answer, uncertain: true, conformal: { level: 0.9, labels: [] } })).toMatchObject({ against: [], none: true })
  })

  it('says how often such answers were right without promising "all" or "none"', () => {
    const right = (value: number) =>
      resultOf({ ...answer, reliability: { low: 0, high: 1, correct: { value, low: null, high: null, films: 412, patients: 0 } } }).right
    expect(right(0.81)).toEqual({ right: 8, of: 10, films: 412 })
    expect(right(0.97)).toEqual({ right: 97, of: 100, films: 412 })
    expect(right(0.02)).toEqual({ right: 2, of: 100, films: 412 })
  })

  it('puts the operating point on the bar of its one positive label', () => {
    const point = (name: string, positive: string[]) => ({ name, positive, threshold: 0.3 }) as Verdict
    const points = [point('specificity 0.90', ['bacterial', 'viral']), point('Youden', ['viral'])]
    expect(chosenPoint(points, '')?.name).toBe('Youden')
    expect(chosenPoint(points, 'specificity 0.90')?.name).toBe('specificity 0.90')
    expect(tickOf(points[1]!)).toEqual({ label: 'viral', at: 0.3 })
    expect(tickOf(points[0]!)).toBeNull()
  })
})

describe('tables', () => {
  it('are what `deephealth predict --csv` writes', () => {
    // Written by Python: batch.to_csv of the same answers.
    const odd = { ...answer, file: '=cmd|"x",\t\u200b\u00e9.png', label: '', probabilities: {}, novelty: null, refused: true, reason: 'No\nfilm.', error: true }
    const small = { ...answer, file: 'b.png', novelty: 0.0000123456789 }
    const large = { ...answer, file: '-c.png', novelty: 12345678 }
    expect(toCsv([answer, odd, small, large], ['normal', 'bacterial', 'viral'])).toBe([
      'file,label,p_normal,p_bacterial,p_viral,novelty,refused,reason',
      'a.png,bacterial,0.050000,0.712346,0.237654,1.23457,false,',
      '"\'=cmd|""x"",\\t\\u200bé.png",,,,,,true,No\\nfilm.',
      'b.png,bacterial,0.050000,0.712346,0.237654,1.23457e-05,false,',
      '\'-c.png,bacterial,0.050000,0.712346,0.237654,1.23457e+07,false,',
      '',
    ].join('\n'))
  })

  it('are what `deephealth predict --json` writes', () => {
    const [row] = JSON.parse(toJson([answer])) as unknown[]
    expect(row).toEqual({
      file: 'a.png', label: 'bacterial', probabilities: { normal: 0.05, bacterial: 0.7123457, viral: 0.2376543 }, novelty: 1.234568,
      refused: false, reason: '', model: 'abc', warnings: [],
    })
  })

  it('name pictures without paths and without two of one name', () => {
    const taken = new Set<string>()
    const names = ['a/b film.png', 'a/b film.jpg', '../../etc/passwd', '.png', 'niña.dcm'].map((name) => pictureName(name, taken))
    expect(names).toEqual(['a_b_film.png', 'a_b_film-2.png', 'etc_passwd.png', 'png.png', 'niña.png'])
  })
})
