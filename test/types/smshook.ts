// What compiles and what must not, held by `tsc`: a line under `@ts-expect-error` that compiles is an error.
// Nothing here runs.
import express from 'express'
import {
  type Accepted,
  type Attempt,
  type Counts,
  createDispatcher,
  createMailer,
  createRouter,
  type Delivered,
  deliver,
  type Endpoint,
  type Engine,
  type errorCodes,
  type Filter,
  type Found,
  type Intent,
  type Letter,
  type Mailer,
  type On,
  OptionsError,
  type Page,
  type PolicyChanges,
  type policies,
  type Rejection,
  type RouterOptions,
  type SmsEvent,
  type Smshook,
  type SmshookOptions,
  smshook,
  sqlite,
  type UnreadableRequest,
  urlNetworks,
} from 'smshook'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** Compiles only for `isType<Equal<A, B>>()` of the same types. */
const isType = <_Same extends true>() => {}

const { env } = process
const fallback = { smtp: env.SMTP_URL, from: env.MAIL_FROM, to: env.MAIL_TO }
const gateways = { pbx: urlNetworks({ token: env.SMS_TOKEN }) }
declare const event: SmsEvent
declare const engine: Engine

export const options = () => {
  // Environment variables may be unset under strict.
  const sms = smshook({ gateways, fallback })
  smshook({ gateway: urlNetworks({ token: [env.TOKEN, env.OLD_TOKEN] }), fallback: false })
  smshook({ gateways, fallback, engine: sqlite(':memory:'), start: false, logger: console, holdMs: 0 })
  smshook({ fallback, allowAddresses: ['10.0.0.0/8'], concurrency: 5 } satisfies SmshookOptions)
  smshook({
    gateways: undefined,
    deliverTo: undefined,
    engine: undefined,
    fallback: { ...fallback, zone: env.TZ },
  })
  express().use('/sms', sms.router)

  // @ts-expect-error: fallback is required, be it false
  smshook({ gateways })
  // @ts-expect-error: true is no fallback
  smshook({ gateways, fallback: true })
  // @ts-expect-error: a fallback needs a sender
  smshook({ gateways, fallback: { smtp: env.SMTP_URL, to: 'owner@example.com' } })
  // @ts-expect-error: misspelt
  smshook({ gateways, fallback, deliversTo: {} })
  // @ts-expect-error: the function, not what it returns
  smshook({ gateways: { pbx: urlNetworks }, fallback })
  // @ts-expect-error: a token is a text
  urlNetworks({ token: 12345678 })
  // @ts-expect-error: a path, not a URL object
  sqlite(new URL('file:///sms.db'))
}

export const endpoints = () => {
  const url = 'https://crm.example.com/sms'
  smshook({
    gateways,
    fallback,
    deliverTo: {
      unset: { url: env.CRM_URL },
      crm: {
        url,
        policy: { delaysMs: [1_000], success: '2xx' },
        events: ['message.received'],
        concurrency: 2,
      },
      signed: {
        url,
        format: 'standard',
        secret: [env.SECRET ?? ''],
        events: 'all',
        policy: 'standardWebhooks',
      },
      shop: {
        handler: async (event, { attempt, signal }) => {
          isType<Equal<typeof event, SmsEvent>>()
          isType<Equal<typeof attempt, number>>()
          isType<Equal<typeof signal, AbortSignal>>()
        },
      },
      owner: {
        email: ['owner@example.com'],
        numbers: '+61298765432',
        fallback: { to: async (event) => `${event.to?.raw}@example.com` },
      },
    },
  })
  const one = (deliverTo: SmshookOptions['deliverTo']) => smshook({ gateways, fallback, deliverTo })
  // @ts-expect-error: misspelt
  one({ crm: { url, polcy: {} } })
  // @ts-expect-error: not a kind of event
  one({ crm: { url, events: ['message.recieved'] } })
  // @ts-expect-error: not a policy
  one({ crm: { url, policy: 'urlNetwork' } })
  // @ts-expect-error: not a format
  one({ crm: { url, format: 'urlNetwork' } })
  // @ts-expect-error: not a success
  one({ crm: { url, policy: { success: '3xx' } } })
  // @ts-expect-error: an address is a text
  one({ crm: { url, fallback: { to: (event) => event.from } } })
}

export const signals = () => {
  const sms = smshook({ gateways, fallback })
  const stop = sms.on('attempt', ({ event, attempt, delivery, dueAt }) => {
    isType<Equal<typeof event, SmsEvent>>()
    isType<Equal<typeof attempt, Attempt>>()
    isType<Equal<typeof dueAt, number | null>>()
    isType<Equal<typeof delivery.endpoint, Endpoint>>()
    if (attempt.outcome.type === 'answer') isType<Equal<typeof attempt.outcome.status, number>>()
    // @ts-expect-error: a handler's success has no status
    if (attempt.outcome.type === 'done') attempt.outcome.status
  })
  isType<Equal<typeof stop, () => void>>()
  // @ts-expect-error: no such signal
  sms.on('sent', () => {})
  // @ts-expect-error: `stored` has no attempt
  sms.on('stored', ({ attempt }) => attempt)
}

export const operators = async () => {
  const sms = smshook({ fallback })
  const to = {
    id: 'florist',
    url: 'https://florist.example.com/sms',
    fallback: { to: 'owner@florist.example.com' },
  }
  const answer = await sms.dispatch({ from: '+61412345678', to: '+61298765432', text: 'Roses?' }, to)
  isType<Equal<typeof answer, 'stored' | 'repeat'>>()
  await sms.dispatch(event, to)
  await sms.dispatch(event, { ...to, policy: 'standardWebhooks', format: undefined, secret: [env.SECRET] })
  await sms.dispatch(event, { ...to, policy: { tries: undefined, success: '2xx' } })
  // @ts-expect-error: a message has a text
  await sms.dispatch({ from: '+61412345678', to: '+61298765432' }, to)
  // @ts-expect-error: an endpoint has an id
  await sms.dispatch(event, { url: to.url })
  // @ts-expect-error: what is stored holds no functions
  await sms.dispatch(event, { ...to, fallback: { to: () => 'owner@example.com' } })
}

export const store = async () => {
  const sms = smshook({ gateways, fallback })
  const found = await sms.find('id')
  // @ts-expect-error: it may not exist
  found.event
  const { items, cursor } = await sms.list({ state: 'failed' }, { limit: 10 })
  await sms.replay(items.map(({ delivery }) => delivery.id))
  await sms.list({}, cursor === null ? {} : { cursor })
  // @ts-expect-error: no such state
  await sms.list({ state: 'lost' })
  const { deliveries } = await sms.counts()
  isType<Equal<typeof deliveries.emailed, number>>()
  isType<Equal<Awaited<ReturnType<typeof sms.dispatcher.runDue>>, number>>()
}

export const parts = async () => {
  createRouter({ gateways, accept: async (events) => isType<Equal<typeof events, SmsEvent[]>>() })
  // @ts-expect-error: a router needs somewhere to put things
  createRouter({ gateways })
  createDispatcher({ engine, fallback }).start()
  // @ts-expect-error: an engine that may be unset is none
  createDispatcher({ engine: undefined, fallback })
  const mailer = createMailer({ smtp: { host: 'localhost', port: 25 }, from: 'sms@example.com' })
  const delivered = await deliver(event, { url: env.CRM_URL }, { mailer })
  isType<Equal<typeof delivered, Delivered>>()
  // @ts-expect-error: a server is no mailer
  await deliver(event, { url: env.CRM_URL }, { mailer: env.SMTP_URL })
  isType<Equal<(typeof policies.sms)['tries'], number>>()
  isType<Equal<(typeof errorCodes)['options-invalid'][0], 'developer'>>()
  const error: unknown = null
  if (error instanceof OptionsError) isType<Equal<typeof error.code, 'options-invalid' | 'body-consumed'>>()
}

/** What the public signatures name can be imported. */
export const names = () => {
  type Answer<Name extends 'find' | 'counts' | 'dispatch' | 'list'> = Awaited<ReturnType<Smshook[Name]>>
  isType<Equal<Answer<'find'>, Found | null>>()
  isType<Equal<Answer<'counts'>, Counts>>()
  isType<Equal<Answer<'dispatch'>, Accepted>>()
  isType<Equal<Answer<'list'>, Page>>()
  isType<Equal<Parameters<Smshook['list']>[0], Filter | undefined>>()
  isType<Equal<Smshook['on'], On>>()
  isType<Equal<Parameters<Mailer['send']>[0], Letter>>()
  isType<Equal<Parameters<NonNullable<RouterOptions['onRejected']>>[0], Rejection>>()
  isType<Equal<Parameters<NonNullable<RouterOptions['quarantine']>>[0], UnreadableRequest>>()
  isType<Equal<SmsEvent['intent'], Intent | null>>()
  isType<Equal<Endpoint['policy'], PolicyChanges | null>>()
}
