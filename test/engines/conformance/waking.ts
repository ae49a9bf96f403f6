// Promises about waking: whoever listens hears of everything that may have become due.
import type { Engine } from '../../../lib/engine.ts'
import { until } from '../../support/until.ts'
import type { Check } from '../conformance.ts'
import { attempt, claim, claimMail, claimOne, mailing, owe, oweMail } from './steps.ts'

/** Resolves when `action` has woken a listener that began to listen just before it. */
const wakes = async (engine: Engine, action: () => Promise<unknown>): Promise<void> => {
  let heard = 0
  const stop = engine.onDue(() => {
    heard += 1
  })
  await action()
  await until(() => heard > 0)
  stop()
}

export const waking = (check: Check): void => {
  check('what is accepted wakes', async ({ engine }) => {
    await wakes(engine, () => owe(engine))
  })

  check('what is joined wakes', async ({ engine }) => {
    const event = await owe(engine, 'crm')
    const { delivery } = await claimOne(engine)
    const endpoints = [{ ...delivery.endpoint, id: 'erp' }]
    await wakes(engine, () => engine.accept([{ event, endpoints, join: true }]))
  })

  check('a mail that is owed wakes', async ({ engine }) => {
    await owe(engine)
    const { lease } = await claimOne(engine)
    await wakes(engine, () => engine.settle(lease, attempt(), mailing))
  })

  check('a retry that is due at once wakes', async ({ engine, now }) => {
    await owe(engine)
    const { lease } = await claimOne(engine)
    await wakes(engine, () => engine.settle(lease, attempt(), { to: 'retry', dueAt: now(), hold: false }))
  })

  check('a mail that is due again at once wakes', async ({ engine, now }) => {
    await oweMail(engine)
    const { lease } = await claimMail(engine)
    const outcome = {
      type: 'error',
      code: 'connection',
      permanent: false,
      operator: false,
      message: 'x',
    } as const
    await wakes(engine, () => engine.settleMail(lease, outcome, { to: 'retry', dueAt: now() }))
  })

  check('what is given back or replayed wakes', async ({ engine }) => {
    await owe(engine)
    const { lease, delivery } = await claimOne(engine)
    await wakes(engine, () => engine.release([lease]))
    await engine.settle((await claimOne(engine)).lease, null, { to: 'failed', reason: 'gone' })
    await wakes(engine, () => engine.replay([delivery.id]))
  })

  check('what time makes due wakes within seconds', async ({ engine, now, advance }) => {
    await owe(engine)
    const { lease } = await claimOne(engine)
    await engine.settle(lease, attempt(), { to: 'retry', dueAt: now() + 60_000, hold: false })
    await wakes(engine, () => advance(65_000))
    expect(await claim(engine)).toHaveLength(1)
  })

  check('every listener is told, until it stops', async ({ engine }) => {
    const heard: string[] = []
    const stopFirst = engine.onDue(() => heard.push('first'))
    engine.onDue(() => heard.push('second'))
    await owe(engine)
    await until(() => heard.includes('first') && heard.includes('second'))
    stopFirst()
    heard.length = 0
    await owe(engine)
    await until(() => heard.includes('second'))
    expect(heard).not.toContain('first')
  })

  check('a listener that throws disturbs nobody', async ({ engine }) => {
    engine.onDue(() => {
      throw new Error('not now')
    })
    await wakes(engine, () => owe(engine))
    await wakes(engine, () => owe(engine))
  })
}
