import { closeAll, minute, postOffice, until } from '../support/post-office.ts'
import { story } from '../support/stories.ts'

afterEach(closeAll)

test('sends everything that is due, and says how many that were', async () => {
  const { engine, postman, smtp, named } = await postOffice()
  for (let n = 0; n < 12; n += 1) engine.owe()
  expect(await postman().run()).toBe(12)
  expect(new Set(smtp.received.map(({ mail }) => mail.messageId)).size).toBe(12)
  expect(smtp.connections).toBeLessThanOrEqual(5)
  expect(named('emailed')).toHaveLength(12)
  expect(engine.mail('mail-1')).toMatchObject({ state: 'sent', tries: 1 })
})

test('asked to, it begins nothing new from then on', async () => {
  const { engine, postman, smtp, clock } = await postOffice()
  for (let n = 0; n < 12; n += 1) engine.owe()
  const one = postman()
  expect(await one.run(clock.now())).toBe(0)
  expect(smtp.received).toEqual([])
  expect(await one.run(clock.now() + 1)).toBe(12)
})

test('started, it sends what becomes due later, until it is stopped', async () => {
  const { engine, postman, smtp } = await postOffice()
  const started = postman()
  started.start()
  engine.owe()
  await smtp.next()
  await until(() => engine.mail('mail-1').state === 'sent')
  engine.owe()
  await smtp.next()
  await started.stop(minute)
  const calls = engine.calls.length
  engine.owe()
  expect(await started.run()).toBe(0)
  expect(engine.calls).toHaveLength(calls)
})

test('a busy mailbox is tried on the schedule with the same Message-ID, and logged without addresses or text', async () => {
  const event = {
    text: 'the secret plan',
    from: { raw: '+61400111222', kind: 'e164' as const, e164: '+61400111222' },
  }
  const { engine, postman, smtp, clock, named, lines, logged } = await postOffice({ behave: 'busy' })
  const mail = engine.owe({ stories: [story({ event })] })
  const started = postman()
  await started.run()
  expect(named('mailAttempt')[0]!.payload).toMatchObject({
    mail: { tries: 1, state: 'pending' },
    outcome: { code: 'recipient' },
  })
  await clock.advance(minute - 1)
  expect(await started.run()).toBe(0)
  await smtp.behave('accept')
  await clock.advance(minute / 10 + 1)
  expect(await started.run()).toBe(1)
  expect((await smtp.next()).mail.messageId).toBe(mail.messageId)
  expect(named('emailed')[0]!.payload).toMatchObject({ mail: { state: 'sent', tries: 2 } })
  const [warning] = logged('warn')
  expect(warning!.details).toMatchObject({ mail: 'mail-1', to: ['o***@example.com'], endpoints: ['crm'] })
  expect(warning!.details.deliveries).toHaveLength(1)
  expect(JSON.stringify(lines)).not.toMatch(/secret|61400111222|owner@/)
})

test('a recipient that does not exist ends the mail: failed, logged and signalled', async () => {
  const { engine, postman, clock, named, logged } = await postOffice({ behave: 'refuse' })
  engine.owe()
  const started = postman()
  await started.run()
  expect(engine.mail('mail-1').state).toBe('failed')
  expect(named('failed')[0]!.payload).toMatchObject({ endpointId: 'crm', reason: 'mail-failed' })
  expect(logged('error')).toHaveLength(1)
  await clock.advance(10 * 24 * 60 * minute)
  expect(await started.run()).toBe(0)
})

test('a connection lost after the message: it goes out again under the same Message-ID', async () => {
  const { engine, postman, smtp, clock } = await postOffice({ behave: 'drop' })
  const { messageId } = engine.owe()
  const started = postman()
  await started.run()
  await smtp.behave('accept')
  await clock.advance(2 * minute)
  await started.run()
  expect(smtp.received.map(({ mail, taken }) => [mail.messageId, taken])).toEqual([
    [messageId, false],
    [messageId, true],
  ])
})

test('a refused login alerts once, stays on the schedule, and the mails go out once it is accepted', async () => {
  const login = { user: 'me', pass: 'hunter2' }
  const { engine, postman, smtp, clock, named, logged, lines } = await postOffice({
    behave: 'no-login',
    login,
  })
  for (let n = 0; n < 3; n += 1) engine.owe()
  const started = postman()
  started.start()
  await until(() => named('mailAttempt').length === 3)
  await clock.advance(2 * minute)
  await until(() => named('mailAttempt').length === 6)
  expect(named('alert')).toEqual([
    { name: 'alert', payload: { code: 'mail-login', message: expect.any(String) } },
  ])
  expect(logged('error')).toHaveLength(1)
  expect(engine.mail('mail-1')).toMatchObject({
    state: 'pending',
    outcome: { operator: true, permanent: false },
  })
  await smtp.behave('accept')
  await clock.advance(6 * minute)
  await until(() => named('emailed').length === 3)
  expect(smtp.received).toHaveLength(3)
  await smtp.behave('no-login')
  expect(JSON.stringify(lines)).not.toContain('hunter2')
  await started.stop(minute)
})

test('the login is checked at the start, before there is any mail', async () => {
  const { postman, named } = await postOffice({ behave: 'no-greeting' })
  const started = postman()
  started.start()
  await until(() => named('alert').length === 1)
  expect(named('alert')[0]!.payload).toMatchObject({ code: 'mail-greeting' })
  await started.stop(minute)
})

test('a mail server that is down is no alert, and gets its mails when it is up', async () => {
  const { engine, postman, smtp, clock, named } = await postOffice({ behave: 'down' })
  engine.owe()
  const started = postman()
  await started.run()
  expect(engine.mail('mail-1')).toMatchObject({ state: 'pending', outcome: { code: 'connection' } })
  await smtp.behave('accept')
  await clock.advance(2 * minute)
  await started.run()
  expect(engine.mail('mail-1').state).toBe('sent')
  expect(named('alert')).toHaveLength(0)
})

test('some recipients refused: sent, with a warning', async () => {
  const { engine, postman, logged } = await postOffice({ unknown: ['gone@example.com'] })
  engine.owe({ to: ['owner@example.com', 'gone@example.com'] })
  await postman().run()
  expect(engine.mail('mail-1').state).toBe('sent')
  expect(logged('warn')[0]!.details).toMatchObject({ rejected: ['g***@example.com'] })
})

test('a letter that cannot be written is an outcome like any other', async () => {
  const { engine, postman, lines } = await postOffice({}, () => {
    throw new TypeError('the secret plan')
  })
  engine.owe()
  expect(await postman().run()).toBe(1)
  expect(engine.mail('mail-1')).toMatchObject({
    state: 'pending',
    outcome: { code: 'letter', permanent: false },
  })
  expect(JSON.stringify(lines)).not.toContain('secret')
})

test('calls of run share one round, and none misses a wake', async () => {
  const { engine, postman, smtp } = await postOffice()
  engine.owe()
  const started = postman()
  const rounds = [started.run(), started.run()]
  expect(rounds[0]).toBe(rounds[1])
  const claimMails = engine.claimMails
  engine.claimMails = async (wish) => {
    const claims = await claimMails(wish)
    // A mail that becomes due just after the engine has looked.
    if (claims.length === 0 && smtp.received.length === 1) {
      engine.claimMails = claimMails
      engine.owe()
      void started.run()
    }
    return claims
  }
  expect(await rounds[0]).toBe(2)
})
