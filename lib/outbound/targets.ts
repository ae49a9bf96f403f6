// What the developer writes under `deliverTo`, and how it becomes something that can be tried. A target is
// live: it holds functions; the Endpoint in it is what is stored with each delivery.
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { type Endpoint, type Outcome, type Policy, type PolicyChanges, policySchema } from '../delivery.ts'
import { OptionsError } from '../errors.ts'
import { type EventType, eventTypes, type SmsEvent } from '../event.ts'
import type { Format, OutboundRequest } from '../gateway.ts'
import { policies } from '../policies.ts'
import { addressesSchema, fixedRecipients, type Recipients, recipientsSchema } from '../recipients.ts'
import { secretSchema, writtenTexts } from '../secrets.ts'
import { defaultHandlerTimeoutMs, type Handler, tryHandler } from './handler.ts'
import { defaultWish, isKeyword, keywordIn, type Wish } from './select.ts'
import type { Webhook } from './webhook.ts'

/** Deliveries to one endpoint that may be in work at once, unless it says otherwise. */
export const defaultEndpointConcurrency = 10

const list = <Item extends z.ZodType>(item: Item) => z.union([item, z.array(item).min(1)])

const webUrl = z.url({ protocol: /^https?$/ }).describe("a URL such as 'https://crm.example.com/sms'")

/** Who is owed events, and how: one of `url`, `handler` and `email`, and what changes for it. */
export type DeliverTo = {
  /** A webhook. Each event is posted to it. */
  url?: string | undefined
  /** A function of yours, called in this process. */
  handler?: Handler | undefined
  /** One address or several. Each event goes there as an email at once. */
  email?: string | string[] | undefined
  /** How the event is posted to `url`. Default: the eight form fields of the PBX. */
  format?: string | undefined
  /** What the format signs with; several while one replaces another. */
  secret?: string | (string | undefined)[] | undefined
  /** The `service_id` that is posted when the gateway sent none. */
  serviceId?: string | undefined
  /** Which kinds of event. Default: `['message.received']`. */
  events?: 'all' | EventType[] | undefined
  /** Only events of these numbers of ours. Default: any. */
  numbers?: string | string[] | undefined
  /**
   * Only messages that begin with this word or these words, whatever the case. Of several endpoints with one,
   * those with the longest get the message, whole; a handler gets what follows as `rest`. Default: any.
   */
  keyword?: string | string[] | undefined
  /** How it is tried: a schedule's name, or what differs from the default. A name leaves a handler its 30 s. */
  policy?: string | PolicyChanges | undefined
  /** Deliveries in work at once. Default: 10. */
  concurrency?: number | undefined
  /** Where the email goes when the tries are spent. Default: the general fallback. */
  fallback?: { to: Recipients } | undefined
}

export const wantedPolicySchema = z
  .union([z.string(), policySchema.partial()])
  .describe("a policy's name such as 'standardWebhooks', or an object such as { tries: 5 }")

const ways = ['url', 'handler', 'email'] as const
const unposted = 'only what is posted to a `url` has one; leave it out'
const untried = 'an email address has no tries; leave it out'
/** What would change nothing, and why. */
const idleOptions = {
  url: {},
  handler: { format: unposted, secret: unposted, serviceId: unposted },
  email: {
    format: unposted,
    secret: unposted,
    serviceId: unposted,
    policy: untried,
    concurrency: untried,
  },
} satisfies Record<(typeof ways)[number], { [name in keyof DeliverTo]?: string }>

export const deliverToSchema = z
  .strictObject({
    url: webUrl.optional(),
    handler: z
      .custom<Handler>((value) => typeof value === 'function')
      .describe('a function of the event')
      .optional(),
    email: addressesSchema.optional(),
    format: z.string().describe("a format's name, such as 'standard'").optional(),
    secret: secretSchema,
    serviceId: z.string().describe('a text').optional(),
    events: z
      .union([z.literal('all'), z.array(z.enum(eventTypes)).min(1)])
      .describe(`'all', or a list of ${eventTypes.join(', ')}`)
      .optional(),
    numbers: list(z.string().min(1)).describe('one of your numbers, or a list of them').optional(),
    keyword: list(z.string().refine(isKeyword))
      .describe("a word such as 'foo', or a list of words")
      .optional(),
    policy: wantedPolicySchema.optional(),
    concurrency: z.number().int().min(1).describe('a whole number, 1 or more').optional(),
    fallback: z.strictObject({ to: recipientsSchema }).describe('{ to } or nothing').optional(),
  })
  .superRefine((entry, context) => {
    const given = ways.filter((key) => entry[key] !== undefined)
    const message =
      given.length === 0
        ? 'nothing says where to deliver; write `url`, `handler` or `email` (is an environment variable unset?)'
        : `\`${given.join('` and `')}\` exclude each other; make them endpoints of their own`
    if (given.length !== 1) return context.addIssue({ code: 'custom', message })
    for (const [name, why] of Object.entries(idleOptions[given[0]!]))
      if (entry[name as keyof DeliverTo] !== undefined)
        context.addIssue({ code: 'custom', path: [name], message: why })
  })
  .describe("an object such as { url: 'https://crm.example.com/sms' }") satisfies z.ZodType<
  unknown,
  DeliverTo
>

export type Target = {
  endpoint: Endpoint
  wish: Wish
  policy: Policy
  concurrency: number
  recipients: Recipients | null
  /** Never rejects: whatever goes wrong is an outcome. */
  /** `over` breaks it off; what comes of it then is not recorded. */
  attempt(event: SmsEvent, n: number, over?: AbortSignal): Promise<Outcome>
}

type Tools = {
  clock: Clock
  webhook: Webhook
  formats: Readonly<Record<string, Format>>
  defaultFormat: string
  policies: Readonly<Record<string, Policy>>
  /** The address that a post names as its fallback. */
  mailTo(endpoint: Endpoint): string | null
}

const many = <Item>(value: Item | Item[] | undefined): Item[] =>
  value === undefined ? [] : Array.isArray(value) ? value : [value]

/** An option that is present but undefined changes nothing, or its tries would have no end. */
const adjusted = (policy: Policy, changes: PolicyChanges | null): Policy => {
  const said = Object.entries(changes ?? {}).filter(([, value]) => value !== undefined)
  return { ...policy, ...Object.fromEntries(said) }
}

const withoutCredentials = (url: string): string => {
  if (!URL.canParse(url)) return ''
  const plain = new URL(url)
  // As it is written, since a token may be made for exactly this URL.
  if (plain.username === '' && plain.password === '') return url
  plain.username = ''
  plain.password = ''
  return plain.href
}

const tryWebhook = (endpoint: Endpoint, format: Format, policy: Policy, tools: Tools): Target['attempt'] => {
  const url = endpoint.url ?? ''
  const shownUrl = withoutCredentials(url)
  return async (event, _n, over) => {
    const context = {
      url: shownUrl,
      serviceId: endpoint.serviceId,
      secrets: endpoint.secrets,
      fallbackTo: tools.mailTo(endpoint),
      now: tools.clock.now(),
    }
    let request: OutboundRequest
    try {
      request = await format.compose(event, context)
    } catch {
      const message = `the format \`${format.name}\` cannot express this event`
      return { type: 'error', code: 'threw', message }
    }
    const { timeoutMs } = policy
    return tools.webhook.attempt({ url, guarded: endpoint.guarded, request, timeoutMs, over })
  }
}

const formatOf = (endpoint: Endpoint, { formats, defaultFormat }: Tools): Format =>
  (Object.hasOwn(formats, endpoint.format ?? '') ? formats[endpoint.format!] : undefined) ??
  formats[defaultFormat]!

/** A stored endpoint that is no longer configured, or arrived as data; null for a handler, whose function is gone. */
export const storedTarget = (endpoint: Endpoint, tools: Tools): Target | null => {
  if (endpoint.kind !== 'webhook') return null
  const format = formatOf(endpoint, tools)
  const policy = adjusted(format.policy, endpoint.policy)
  return {
    endpoint,
    wish: defaultWish,
    policy,
    concurrency: defaultEndpointConcurrency,
    recipients: null,
    attempt: tryWebhook(endpoint, format, policy, tools),
  }
}

const kindOf = (entry: DeliverTo): Endpoint['kind'] =>
  entry.handler ? 'handler' : entry.email ? 'email' : 'webhook'

/** Throws an OptionsError when the format cannot do what the entry asks of it. */
export const createTarget = (id: string, entry: DeliverTo, tools: Tools): Target => {
  const kind = kindOf(entry)
  const changes = policyOf(`deliverTo.${id}`, entry.policy, tools)
  // A schedule that has a name is one of webhooks, and so is its deadline.
  const isForWebhooks = kind === 'handler' && typeof entry.policy === 'string'
  const endpoint: Endpoint = {
    id,
    kind,
    url: entry.url ?? null,
    guarded: false,
    format: kind === 'webhook' ? (entry.format ?? tools.defaultFormat) : null,
    secrets: writtenTexts(entry, 'secret', `deliverTo.${id}.`),
    serviceId: entry.serviceId ?? null,
    mailTo: fixedRecipients(entry.email ?? entry.fallback?.to),
    policy: isForWebhooks ? { ...changes, timeoutMs: defaultHandlerTimeoutMs } : changes,
  }
  const wish: Wish = {
    events: entry.events ?? defaultWish.events,
    numbers: entry.numbers === undefined ? null : many(entry.numbers),
    keywords: entry.keyword === undefined ? null : many(entry.keyword),
  }
  const shared = {
    endpoint,
    wish,
    concurrency: entry.concurrency ?? defaultEndpointConcurrency,
    recipients: entry.email ?? entry.fallback?.to ?? null,
  }

  if (kind === 'webhook') {
    checkFormat(`deliverTo.${id}`, endpoint, tools)
    const format = formatOf(endpoint, tools)
    checkCarries(`deliverTo.${id}`, wish.events === 'all' ? eventTypes : wish.events, format)
    const policy = adjusted(format.policy, endpoint.policy)
    return { ...shared, policy, attempt: tryWebhook(endpoint, format, policy, tools) }
  }
  const policy = adjusted({ ...policies.sms, timeoutMs: defaultHandlerTimeoutMs }, endpoint.policy)
  const { handler } = entry
  return {
    ...shared,
    policy,
    attempt: async (event, n, over) => {
      if (!handler) return { type: 'done' }
      const rest = keywordIn(event.text, wish.keywords ?? [])?.rest ?? null
      const { timeoutMs } = policy
      return tryHandler(handler, event, { attempt: n, rest, timeoutMs, clock: tools.clock, over })
    },
  }
}

const named = <Item>(path: string, items: Readonly<Record<string, Item>>, name: string): Item => {
  if (Object.hasOwn(items, name)) return items[name]!
  const known = Object.keys(items).join(', ')
  throw new OptionsError('options-invalid', `\`${path}\` is "${name}"; known here: ${known}`)
}

/** Throws an OptionsError when no policy has this name. `path` names the endpoint. */
export const policyOf = (
  path: string,
  policy: DeliverTo['policy'],
  { policies }: Pick<Tools, 'policies'>,
): Endpoint['policy'] =>
  typeof policy === 'string' ? named(`${path}.policy`, policies, policy) : (policy ?? null)

/** Throws an OptionsError unless the endpoint's format exists and can be signed. `path` names the endpoint. */
export const checkFormat = (path: string, endpoint: Endpoint, tools: Pick<Tools, 'formats'>): void => {
  const format = named(`${path}.format`, tools.formats, endpoint.format ?? '')
  const fault = format.secretsFault(endpoint.secrets)
  if (fault !== null) throw new OptionsError('options-invalid', `\`${path}.secret\`: ${fault}`)
}

/** Throws an OptionsError when the format cannot express one of these kinds of event. `path` names the endpoint. */
export const checkCarries = (path: string, types: readonly EventType[], { name, carries }: Format): void => {
  const missing = types.filter((type) => !carries[type])
  if (missing.length === 0) return
  throw new OptionsError(
    'options-invalid',
    `\`${path}.format\`: the format \`${name}\` cannot carry ${missing.join(', ')}; it carries ` +
      `${Object.keys(carries).join(', ')}. Write \`format: 'standard'\`, or ask for fewer kinds`,
  )
}
