// From an entry of `deliverTo` to something that can be tried.
import type { Endpoint, Outcome } from '../../lib/delivery.ts'
import type { ComposeContext, Format } from '../../lib/gateway.ts'
import { defaultHandlerTimeoutMs } from '../../lib/outbound/handler.ts'
import { createTarget, type DeliverTo, storedTarget } from '../../lib/outbound/targets.ts'
import type { WebhookTry } from '../../lib/outbound/webhook.ts'
import { policies } from '../../lib/policies.ts'
import { answer } from '../support/dispatching.ts'
import { smsEvent, webhookEndpoint } from '../support/events.ts'
import { manualClock } from '../support/manual-clock.ts'

const format = (name: string, fields: Partial<Format> = {}): Format => ({
  name,
  carries: { 'message.received': ['text'] },
  policy: { ...policies.sms, timeoutMs: 1234 },
  secretsFault: () => null,
  compose: () => ({ method: 'POST', headers: {}, body: name }),
  ...fields,
})

/** Everything a target is given, and what it did with it. */
const making = (formats: Format[] = []) => {
  const tries: WebhookTry[] = []
  const composed: ComposeContext[] = []
  const plain = format('plain', {
    compose: (_event, context) => {
      composed.push(context)
      return { method: 'POST', headers: {}, body: 'plain' }
    },
  })
  const tools = {
    clock: manualClock(),
    webhook: {
      attempt: async (one: WebhookTry): Promise<Outcome> => {
        tries.push(one)
        return answer(200)
      },
      close: async () => {},
    },
    formats: Object.fromEntries([plain, ...formats].map((one) => [one.name, one])),
    defaultFormat: 'plain',
    policies,
    mailTo: ({ id }: Endpoint) => `${id}@example.com`,
  }
  return { tools, tries, composed, target: (entry: DeliverTo) => createTarget('crm', entry, tools) }
}
const url = 'https://user:secret@crm.example.com/sms?key=1'

describe('a webhook', () => {
  test('is called at its own URL; the format sees it without the credentials', async () => {
    const { target, tools, tries, composed } = making()
    const { attempt } = target({ url, secret: ['a', 'b'], serviceId: '7' })
    expect(await attempt(smsEvent(), 1)).toEqual(answer(200))
    expect(tries).toMatchObject([{ url, guarded: false, timeoutMs: 1234, request: { body: 'plain' } }])
    expect(composed).toEqual([
      {
        url: 'https://crm.example.com/sms?key=1',
        serviceId: '7',
        secrets: ['a', 'b'],
        fallbackTo: 'crm@example.com',
        now: tools.clock.now(),
      },
    ])
  })

  test('is composed afresh for each try', async () => {
    const { target, tools, composed } = making()
    const { attempt } = target({ url })
    await attempt(smsEvent(), 1)
    await tools.clock.advance(5_000)
    await attempt(smsEvent(), 2)
    expect(composed[1]!.now - composed[0]!.now).toBe(5_000)
  })

  test('can be stored as JSON and tried again from there, the same way', async () => {
    const { target, tools, tries, composed } = making()
    const { endpoint, policy, attempt } = target({ url, secret: 'a', policy: { tries: 3 } })
    const stored = storedTarget(JSON.parse(JSON.stringify(endpoint)), tools)!
    expect(stored.policy).toEqual(policy)
    await attempt(smsEvent(), 1)
    await stored.attempt(smsEvent(), 1)
    expect(tries[1]).toEqual(tries[0])
    expect(composed[1]).toEqual(composed[0])
  })

  test('whose format fails to express an event has failed, which is an outcome like any other', async () => {
    const broken = format('broken', {
      compose: () => {
        throw new TypeError('+61412345678 is not a function')
      },
    })
    const { target, tries } = making([broken])
    const outcome = await target({ url, format: 'broken' }).attempt(smsEvent(), 1)
    expect(outcome).toEqual({
      type: 'error',
      code: 'threw',
      message: 'the format `broken` cannot express this event',
    })
    expect(tries).toEqual([])
  })
})

describe('policies', () => {
  test.each<[string, DeliverTo['policy'], object]>([
    ["the format's own", undefined, { tries: 10, success: 200, timeoutMs: 1234 }],
    ['what differs from it', { tries: 3, success: '2xx' }, { tries: 3, success: '2xx', timeoutMs: 1234 }],
    ['one by name', 'standardWebhooks', policies.standardWebhooks],
    ['nothing but what is said', { tries: undefined, timeoutMs: undefined }, { tries: 10, timeoutMs: 1234 }],
  ])('%s', (_name, policy, expected) => {
    const { target } = making()
    expect(target({ url, policy }).policy).toMatchObject(expected)
  })

  test('an unset option of a stored one, and of a handler, changes nothing either', () => {
    const { target, tools } = making()
    const policy = { tries: undefined, fallbackAfterMs: undefined }
    expect(storedTarget(webhookEndpoint({ policy }), tools)!.policy).toMatchObject({ tries: 10 })
    expect(target({ handler: () => {}, policy }).policy).toMatchObject({ tries: 10, fallbackAfterMs: null })
  })
})

describe('a handler', () => {
  test.each<[DeliverTo['keyword'], string, string | null]>([
    ['foo', 'Foo  hello', 'hello'],
    [['foo', 'foo bar'], 'foo bar baz', 'baz'],
    ['foo', 'hello', null],
    [undefined, 'Foo hello', null],
  ])('with the keyword %j is told what follows it in %j: %j', async (keyword, text, rest) => {
    const seen: unknown[] = []
    const handler: DeliverTo['handler'] = (event, context) => void seen.push(event.text, context.rest)
    await making().target({ handler, keyword }).attempt(smsEvent({ text }), 1)
    expect(seen).toEqual([text, rest])
  })

  test('is called with the event and the number of the try', async () => {
    const seen: unknown[] = []
    const { target } = making()
    const event = smsEvent()
    const { attempt, endpoint } = target({ handler: (given, { attempt: n }) => void seen.push(given, n) })
    expect(await attempt(event, 4)).toEqual({ type: 'done' })
    expect(seen).toEqual([event, 4])
    expect(endpoint).toMatchObject({ kind: 'handler', url: null, format: null })
  })

  test('has more time than a webhook, and as many tries', async () => {
    const { target, tools } = making()
    const { attempt, policy } = target({ handler: () => new Promise(() => {}) })
    expect(policy).toEqual({ ...policies.sms, timeoutMs: defaultHandlerTimeoutMs })
    const outcome = attempt(smsEvent(), 1)
    await tools.clock.advance(defaultHandlerTimeoutMs)
    expect(await outcome).toMatchObject({ type: 'error', code: 'timeout' })
  })

  test('takes of a policy with a name all but its deadline; an object says otherwise', () => {
    const { target } = making()
    const handler = () => {}
    const named = target({ handler, policy: 'standardWebhooks' })
    expect(named.policy).toEqual({ ...policies.standardWebhooks, timeoutMs: defaultHandlerTimeoutMs })
    expect(named.endpoint.policy).toEqual(named.policy)
    expect(target({ handler, policy: { timeoutMs: 7 } }).policy.timeoutMs).toBe(7)
  })

  test('is gone once it is only stored', () => {
    const { target, tools } = making()
    expect(storedTarget(target({ handler: () => {} }).endpoint, tools)).toBeNull()
  })
})

describe('recipients', () => {
  const to = () => 'owner@example.com'
  test.each<[DeliverTo, Endpoint['kind'], string[] | null, unknown]>([
    [{ email: 'a@example.com' }, 'email', ['a@example.com'], 'a@example.com'],
    [
      { email: ['a@example.com', 'b@example.com'] },
      'email',
      ['a@example.com', 'b@example.com'],
      expect.anything(),
    ],
    [{ url, fallback: { to: 'a@example.com' } }, 'webhook', ['a@example.com'], 'a@example.com'],
    [{ url, fallback: { to } }, 'webhook', null, to],
    [{ url }, 'webhook', null, null],
  ])('%p', (entry, kind, mailTo, recipients) => {
    const { target } = making()
    expect(target(entry)).toMatchObject({ endpoint: { kind, mailTo }, recipients })
  })
})

describe('a stored endpoint', () => {
  test('that arrived as data stays guarded', async () => {
    const { tools, tries } = making()
    await storedTarget(webhookEndpoint({ guarded: true }), tools)!.attempt(smsEvent(), 1)
    expect(tries).toMatchObject([{ guarded: true }])
  })

  test.each([null, 'gone', '__proto__', 'constructor'])(
    'of the format %p is posted the default one',
    async (name) => {
      const { tools, tries } = making()
      await storedTarget(webhookEndpoint({ format: name }), tools)!.attempt(smsEvent(), 1)
      expect(tries).toMatchObject([{ request: { body: 'plain' } }])
    },
  )

  test.each([null, '', 'nonsense', 'http://'])('with %p for a URL is tried like any other', async (odd) => {
    const { tools, tries } = making()
    await storedTarget(webhookEndpoint({ url: odd }), tools)!.attempt(smsEvent(), 1)
    expect(tries).toMatchObject([{ url: odd ?? '' }])
  })

  test('that is an email address has no tries', () => {
    expect(storedTarget(webhookEndpoint({ kind: 'email', url: null }), making().tools)).toBeNull()
  })
})

describe('wishes', () => {
  test.each<[Partial<DeliverTo>, object]>([
    [{}, { events: ['message.received'], numbers: null }],
    [{ events: ['message.received'], numbers: '1204' }, { numbers: ['1204'] }],
    [{ numbers: ['1204', '1205'] }, { numbers: ['1204', '1205'] }],
  ])('%p', (entry, wish) => {
    expect(making().target({ url, ...entry }).wish).toMatchObject(wish)
  })

  test('for kinds that the format cannot carry are refused, with the kinds and a way out', () => {
    const { target } = making()
    expect(() => target({ url, events: ['message.received', 'call.missed'] })).toThrow(
      "`deliverTo.crm.format`: the format `plain` cannot carry call.missed; it carries message.received. Write `format: 'standard'`, or ask for fewer kinds",
    )
    expect(target({ handler: () => {}, events: 'all' }).wish.events).toBe('all')
  })
})
