// The README says what the code does: its tables, figures and snippets are compared with it.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Policy } from '../lib/delivery.ts'
import { errorCodes } from '../lib/errors.ts'
import { type EventType, eventTypes } from '../lib/event.ts'
import { mailDelaysMs, mailGiveUpMs } from '../lib/fallback/schedule.ts'
import { formats, policies } from '../lib/formats.ts'
import type { Format } from '../lib/gateway.ts'
import { gateways } from '../lib/gateways/index.ts'
import { defaultConcurrency, defaultHoldMs } from '../lib/outbound/dispatcher.ts'
import { defaultHandlerTimeoutMs } from '../lib/outbound/handler.ts'
import { jitter } from '../lib/outbound/policy.ts'
import { defaultEndpointConcurrency } from '../lib/outbound/targets.ts'

const root = join(import.meta.dirname, '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const { sms } = policies
const sum = (numbers: readonly number[]) => numbers.reduce((total, one) => total + one, 0)
const row = (name: string) => readme.split('\n').find((line) => line.startsWith(`| \`${name}\``))

describe('README', () => {
  test('has at most 400 lines and three badges', () => {
    expect(readme.split('\n').length).toBeLessThanOrEqual(400)
    expect(readme.match(/img\.shields\.io/g)).toHaveLength(3)
  })

  test('the quick start is the example, in at most 15 lines', () => {
    const example = readFileSync(join(root, 'examples/quick-start.ts'), 'utf8')
    expect(readme).toContain(`\`\`\`ts\n${example}\`\`\``)
    expect(example.trimEnd().split('\n').length).toBeLessThanOrEqual(15)
  })

  test('the gateway of one\u2019s own is the example', () => {
    const example = readFileSync(join(root, 'examples/own-gateway.ts'), 'utf8')
    const gateway = example.slice(0, example.indexOf('\nconst sms = '))
    expect(readme).toContain(`\`\`\`ts\n${gateway.trimEnd()}\n\`\`\``)
    const page = readme.slice(readme.indexOf('### Your own gateway'), readme.indexOf('### Registering'))
    expect(page.split('\n').length).toBeLessThanOrEqual(60)
  })

  test('the table of errors is the one of the code', () => {
    const rows = Object.entries(errorCodes).map(
      ([code, [who, meaning]]) => `| \`${code}\` | ${who} | ${meaning} |`,
    )
    expect(readme).toContain(`|---|---|---|\n${rows.join('\n')}\n\n`)
  })

  test('every gateway and every format is named', () => {
    for (const name of Object.keys(gateways)) expect(readme).toContain(`| \`${name}(`)
    for (const name of Object.keys(formats)) expect(row('format')).toContain(`\`${name}\``)
  })

  test('what each format carries', () => {
    const order = formats.standard.carries['message.received']!
    const rows = Object.entries<Format>(formats).flatMap(([name, { carries }]) => {
      const kinds = new Map<string, EventType[]>()
      for (const type of eventTypes.filter((each) => carries[each])) {
        const fields = order.filter((field) => carries[type]?.includes(field)).join(', ')
        kinds.set(fields, [...(kinds.get(fields) ?? []), type])
      }
      return [...kinds].map(([fields, types]) => {
        const all = types.length === eventTypes.length ? 'every kind' : types.join(', ')
        return `| \`${name}\` | ${all} | ${fields} |`
      })
    })
    expect(readme).toContain(`|---|---|---|\n${rows.join('\n')}\n\n`)
  })

  test('the policies', () => {
    const span = (ms: number) => {
      if (ms >= 3_600_000) return `${(ms / 3_600_000).toFixed(1)} h`
      return ms >= 60_000 ? `${(ms / 60_000).toFixed(1)} min` : `${ms / 1_000} s`
    }
    const rows = Object.entries<Policy>(policies).map(([name, policy]) => {
      const { tries, delaysMs, timeoutMs, success, retryAfterMaxMs } = policy
      const over = sum(Array.from({ length: tries - 1 }, (_, n) => delaysMs[n] ?? delaysMs.at(-1)!))
      const cells = [
        tries,
        span(over),
        span(timeoutMs),
        success,
        retryAfterMaxMs ? span(retryAfterMaxMs) : 'ignored',
      ]
      return `| \`${name}\` | ${cells.join(' | ')} |`
    })
    expect(readme).toContain(`|---|---|---|---|---|---|\n${rows.join('\n')}\n\n`)
  })

  test('the schedule of the tries', () => {
    const waits = sms.delaysMs.map((delayMs) => delayMs / 1000)
    expect(readme).toContain(`${waits.slice(0, -1).join(', ')} and ${waits.at(-1)} seconds`)
    expect(readme).toContain(`${(sum(sms.delaysMs) / 1000).toLocaleString('en')} in all`)
    expect(readme).toContain(`jitter adds at most ${jitter * 100} %`)
    expect(readme).toContain(`${sms.timeoutMs / 1000} seconds (a handler ${defaultHandlerTimeoutMs / 1000})`)
    const leastMs = sum(sms.delaysMs)
    const mostMs = leastMs * (1 + jitter) + sms.tries * sms.timeoutMs
    const minutes = [leastMs, mostMs].map((ms) => Math.ceil(ms / 60_000))
    expect(readme).toContain(`${minutes[0]} to ${minutes[1]} minutes after the first failure`)
    expect(sms.retryAfterMaxMs / 60_000).toBe(10)
  })

  test('the schedule of the email', () => {
    const minutes = mailDelaysMs.map((delayMs) => delayMs / 60_000)
    expect(minutes.at(-1)).toBe(120)
    const first = minutes.slice(0, -1)
    expect(readme).toContain(
      `${first.slice(0, -1).join(', ')} and ${first.at(-1)} minutes and then every two hours`,
    )
    expect(mailGiveUpMs / 86_400_000).toBe(5)
  })

  test('the defaults of the options', () => {
    expect(row('concurrency')).toContain(`| ${defaultEndpointConcurrency} |`)
    expect(readme).toContain(`| \`concurrency\` | deliveries in work at once | ${defaultConcurrency} |`)
    expect(row('holdMs')).toContain(`| ${defaultHoldMs.toLocaleString('en')} |`)
  })
})
