// Accepting within a transaction of the host's: stored when that commits, gone when it is rolled back.
import pg from 'pg'
import type { AcceptOptions } from '../../lib/dispatcher.ts'
import { OptionsError, sqlite } from '../../lib/index.ts'
import { smsEvent } from '../support/events.ts'
import { manualClock } from '../support/manual-clock.ts'
import { sharedServer } from '../support/postgres.ts'
import { onFreshSchema } from '../support/postgres-engines.ts'
import { recorder } from '../support/recorder.ts'
import { until } from '../support/until.ts'

const server = await sharedServer()

let host: pg.Client

beforeEach(async () => {
  host = new pg.Client(server.url)
  await host.connect()
})
afterEach(() => host.end())

const start = async () => {
  const schema = onFreshSchema(server)
  const handled: string[] = []
  const deliverTo = { app: { handler: ({ id }: { id: string }) => void handled.push(id) } }
  const { dispatcher, engine, signals, logger } = await schema.process({ deliverTo })
  await host.query(`CREATE TABLE ${schema.name}.orders (id text)`)
  const accept = async (id: string, options: AcceptOptions = { client: host }) => {
    const event = smsEvent({ id, identity: id })
    const [answer] = await dispatcher.accept([event], options)
    return answer
  }
  return {
    schema: schema.name,
    dispatcher,
    engine,
    signals,
    logger,
    handled,
    accept,
    ids: async () => (await engine.list({}, { limit: 100 })).items.map(({ event }) => event.id),
    order: (id: string) => host.query(`INSERT INTO ${schema.name}.orders VALUES ($1)`, [id]),
    orders: async () =>
      (await schema.query<{ id: string }>(`SELECT id FROM ${schema.name}.orders`)).map(({ id }) => id),
  }
}

describe("a transaction of the host's", () => {
  test('commits its row and ours together, and only then is it delivered', async () => {
    const { accept, order, orders, handled, engine, dispatcher, signals } = await start()
    await host.query('BEGIN')
    await order('one')
    expect(await accept('one')).toBe('stored')
    // Looks for itself, and finds nothing of it.
    expect(await dispatcher.runDue()).toBe(0)
    expect(await engine.find('one')).toBeNull()
    await host.query('COMMIT')
    await until(() => handled.length === 1)
    expect(handled).toEqual(['one'])
    expect(await orders()).toEqual(['one'])
    expect(signals.of('stored')).toEqual([])
    expect(await signals.nth('delivered')).toMatchObject({ event: { id: 'one' } })
  })

  test('rolled back takes ours along, so that the same is stored later', async () => {
    const { accept, order, orders, ids, handled, schema } = await start()
    await host.query('BEGIN')
    await order('one')
    expect(await accept('one')).toBe('stored')
    await host.query('ROLLBACK')
    expect(await ids()).toEqual([])
    expect(await orders()).toEqual([])
    expect((await host.query(`SELECT FROM ${schema}_queue.job`)).rowCount).toBe(0)
    expect(await accept('one', {})).toBe('stored')
    await until(() => handled.length === 1)
  })

  test('is told of a repeat, of its own and of others, and nothing is stored', async () => {
    const { accept, ids, signals } = await start()
    expect(await accept('before', {})).toBe('stored')
    await host.query('BEGIN')
    expect(await accept('before')).toBe('repeat')
    expect(await accept('one')).toBe('stored')
    expect(await accept('one')).toBe('repeat')
    await host.query('COMMIT')
    expect(await ids()).toEqual(['one', 'before'])
    expect(signals.of('repeat')).toEqual([])
    expect(signals.of('stored')).toMatchObject([{ event: { id: 'before' } }])
  })

  test('goes on where ours failed, as if it had not been asked', async () => {
    const { accept, order, orders, ids, schema } = await start()
    await host.query('BEGIN')
    await order('one')
    await host.query(`ALTER TABLE ${schema}.deliveries ADD CONSTRAINT broken CHECK (seq < 0) NOT VALID`)
    await expect(accept('one')).rejects.toMatchObject({ code: 'engine-failed' })
    await host.query(`ALTER TABLE ${schema}.deliveries DROP CONSTRAINT broken`)
    await order('two')
    expect(await accept('two')).toBe('stored')
    await host.query('COMMIT')
    expect(await orders()).toEqual(['one', 'two'])
    expect(await ids()).toEqual(['two'])
  })

  test('takes what is dispatched too', async () => {
    const { dispatcher, engine, ids } = await start()
    const dispatch = (messageId: string) =>
      dispatcher.dispatch(
        { from: '+61412345678', to: '+61298765432', text: 'Roses?', messageId },
        { id: 'customer-7', url: 'https://customer.example.com/sms', policy: { tries: 1 } },
        { client: host },
      )
    await dispatcher.close()
    await host.query('BEGIN')
    expect(await dispatch('one')).toBe('stored')
    expect(await dispatch('one')).toBe('repeat')
    expect(await ids()).toEqual([])
    await host.query('COMMIT')
    expect((await engine.counts()).deliveries.pending).toBe(1)
  })

  test('that lasts keeps nobody else from being delivered', async () => {
    const { accept, handled } = await start()
    await host.query('BEGIN')
    await accept('one')
    await accept('two', {})
    await until(() => handled.length === 1)
    expect(handled).toEqual(['two'])
    await host.query('COMMIT')
    await until(() => handled.length === 2)
  })
})

describe('without one', () => {
  test('a client with no transaction open is refused in words, and so is a pool', async () => {
    const { accept, ids } = await start()
    const words = '`client` has no transaction open. Write client.query("BEGIN") first.'
    const refusal = { code: 'options-invalid', message: words }
    await expect(accept('one')).rejects.toMatchObject(refusal)
    await expect(accept('one')).rejects.toBeInstanceOf(OptionsError)
    const pool = new pg.Pool({ connectionString: server.url })
    await expect(accept('one', { client: pool })).rejects.toThrow('await pool.connect(), not the pool')
    await pool.end()
    expect(await ids()).toEqual([])
  })

  test('sqlite() refuses a client in words', async () => {
    const engine = sqlite(':memory:')
    await engine.open({ clock: manualClock(), logger: recorder() })
    const accepting = engine.accept([{ event: smsEvent(), endpoints: [] }], { client: host })
    await expect(accepting).rejects.toMatchObject({ code: 'options-invalid' })
    await expect(accepting).rejects.toThrow('`client` is for postgres()')
    await engine.close()
  })
})
