// What an editor shows of the public types: the comments must reach the declarations that are published.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureBuilt, root } from './support/package.ts'

/** The members of an object type, and those of them that stand there without a comment. */
const membersOf = (file: string, type: string) => {
  const text = readFileSync(join(root, 'dist', `${file}.d.ts`), 'utf8')
  const pattern = new RegExp(`^export type ${type}(?:<\\w+>)? = [^\\n;]*\\{\\n(.*?)^\\}`, 'ms')
  const lines = pattern.exec(text)?.[1]?.split('\n') ?? []
  const members = lines.flatMap((line, index) => {
    const name = /^ {4}(\w+)\??[:(]/.exec(line)?.[1]
    return name === undefined ? [] : [{ name, isSilent: !lines[index - 1]?.endsWith('*/') }]
  })
  return {
    all: members.map(({ name }) => name),
    silent: members.filter(({ isSilent }) => isSilent).map(({ name }) => name),
  }
}

beforeAll(ensureBuilt, 120_000)

test.each([
  ['event', 'Address'],
  ['event', 'Media'],
  ['event', 'SmsEvent'],
  ['delivery', 'Policy'],
  ['delivery', 'Endpoint'],
  ['formats', 'DeliverTo'],
  ['outbound/targets', 'DeliverTo'],
  ['outbound/dispatch', 'DispatchEndpoint'],
  ['smshook', 'Smshook'],
  ['smshook', 'SmshookOptions'],
  ['dispatcher', 'Dispatcher'],
  ['dispatcher', 'DispatcherOptions'],
  ['deliver', 'Delivered'],
  ['gateway', 'Form'],
  ['gateway', 'Format'],
  ['signature', 'JwtOptions'],
  ['signals', 'Signals'],
  ['registration/remote', 'Ensured'],
  ['registration/http-sms-webhooks', 'NewHttpSmsWebhook'],
  ['registration/http-sms-webhooks', 'WantedHttpSmsWebhook'],
  ['registration/sms-gate-webhooks', 'NewSmsGateWebhook'],
  ['registration/sms-gate-webhooks', 'WantedSmsGateWebhooks'],
])('%s: every member of %s says what it is', (file, type) => {
  const { all, silent } = membersOf(file, type)
  expect(all).not.toEqual([])
  expect(silent).toEqual([])
})

test('a member without a comment is seen', () => {
  const { all, silent } = membersOf('outbound/targets', 'Target')
  expect(all).toContain('wish')
  expect(silent).toContain('wish')
})
