// A store that is silent or slow, told from a host that was busy itself and has only not read the answers.
import { slowGroup, turn } from '../../support/slow-group.ts'

test('while a store is silent all is refused; a host that was busy has only not read its answers', async () => {
  const { batches, call, pass } = slowGroup()
  const first = call(1)
  await turn()
  pass(3_000)
  const second = call(2)
  await turn()
  batches[0]!.answer()
  await first
  const third = call(3)
  pass(3_000)
  const fourth = call(4)
  for (let n = 0; n < 4; n += 1) await turn()
  for (const { answer } of batches.slice(1)) answer()
  expect(await Promise.all([second, third, fourth])).toEqual([2, 3, 4])

  const silent = call(5)
  await turn()
  pass(3_000)
  await expect(call(6)).rejects.toMatchObject({ code: 'engine-overloaded' })
  batches.at(-1)!.answer()
  await silent
})

test('the pace is that of the store itself, however late the host hears of it', async () => {
  for (const [tookMs, isTaken] of [
    [20, true],
    [4_000, false],
  ] as const) {
    const { batches, call, pass } = slowGroup()
    const burst = () => Array.from({ length: 150 }, (_, n) => call(n))
    const before = burst()
    await turn()
    pass(2_000)
    const answers = batches.flatMap(({ calls }) => calls.map(({ id }) => ({ id, value: 'stored' })))
    batches[0]!.answer({ answers, tookMs })
    await Promise.all(before)
    const after = burst()
    const all = Promise.allSettled(after)
    const last = after.at(-1)!
    await turn()
    if (!isTaken) await expect(last).rejects.toMatchObject({ code: 'engine-overloaded' })
    for (const { calls, answer } of batches) if (calls.some(({ id }) => id > 150)) answer()
    if (isTaken) await expect(last).resolves.toBe(149)
    await all
  }
})
