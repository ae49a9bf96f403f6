// What a postman does when leases, processes and the engine let it down.
import { closeAll, minute, postOffice, until } from '../support/post-office.ts'

afterEach(closeAll)

test('a crash between sending and settling: the same mail again, under the same Message-ID', async () => {
  const { engine, postman, smtp } = await postOffice()
  const { messageId } = engine.owe()
  const { settleMail } = engine
  engine.settleMail = () => new Promise(() => {})
  void postman().run()
  await smtp.next()
  engine.settleMail = settleMail
  engine.takeOver()
  await postman().run()
  expect((await smtp.next()).mail.messageId).toBe(messageId)
  expect(engine.mail('mail-1').state).toBe('sent')
})

test('a lost lease writes nothing and announces nothing', async () => {
  const { engine, postman, smtp, named, logged } = await postOffice({ behave: 'hold' })
  engine.owe()
  const running = postman().run()
  await until(() => smtp.holding === 1)
  engine.steal('mail-1')
  await smtp.behave('accept')
  await running
  expect(engine.mail('mail-1')).toMatchObject({ state: 'pending', tries: 0 })
  expect(named('emailed')).toHaveLength(0)
  expect(logged('warn')).toHaveLength(1)
})

test('the lease of a slow mail is renewed, and nobody else waits for it', async () => {
  const { engine, postman, smtp, clock, named } = await postOffice({ behave: 'hold' })
  engine.owe()
  const started = postman()
  const running = started.run()
  await until(() => smtp.holding === 1)
  for (let passed = 0; passed < 5 * minute; passed += 10_000) await clock.advance(10_000)
  expect(engine.calls.filter((name) => name === 'renew').length).toBeGreaterThanOrEqual(14)
  expect(await engine.claimMails({ limit: 1, leaseMs: 1 })).toEqual([])
  engine.owe()
  void started.run()
  await until(() => smtp.holding === 2)
  await smtp.behave('accept')
  expect(await running).toBe(2)
  expect(named('emailed')).toHaveLength(2)
  const renewals = engine.calls.length
  await clock.advance(5 * minute)
  expect(engine.calls).toHaveLength(renewals)
})

test('stop waits for the mail under way, but not longer than asked', async () => {
  const { engine, postman, smtp, clock } = await postOffice({ behave: 'hold' })
  engine.owe()
  const patient = postman()
  void patient.run()
  await until(() => smtp.holding === 1)
  let stopped = false
  const stopping = patient.stop(minute).then(() => {
    stopped = true
  })
  await clock.advance(minute - 1)
  expect(stopped).toBe(false)
  await smtp.behave('accept')
  await stopping
  expect(engine.mail('mail-1').state).toBe('sent')

  await smtp.behave('hold')
  engine.owe()
  const hasty = postman()
  void hasty.run()
  await until(() => smtp.holding === 1)
  const given = hasty.stop(minute)
  await clock.advance(minute)
  await given
  expect(engine.mail('mail-2').state).toBe('pending')
})

test('an engine that fails is logged once, and asked again', async () => {
  const { engine, postman, smtp, clock, logged } = await postOffice()
  engine.failing = true
  engine.owe()
  const started = postman()
  started.start()
  for (let wakes = 0; wakes < 20; wakes += 1) {
    engine.owe()
    await clock.advance(1)
  }
  const calls = engine.calls.length
  await clock.advance(minute)
  expect(engine.calls.length - calls).toBe(6)
  expect(logged('error')).toHaveLength(1)
  engine.failing = false
  await clock.advance(minute)
  await until(() => smtp.received.length === 21)
  await until(() => engine.mail('mail-21').state === 'sent')
  await started.stop(minute)
})

test('an outcome that the engine refuses is offered again before the mail is sent twice', async () => {
  const { engine, postman, smtp, clock } = await postOffice({ behave: 'hold' })
  engine.owe()
  const running = postman().run()
  await until(() => smtp.holding === 1)
  engine.failing = true
  await smtp.behave('accept')
  await until(() => engine.calls.includes('settleMail'))
  engine.failing = false
  await clock.advance(1_000)
  await running
  expect(engine.mail('mail-1').state).toBe('sent')
  expect(smtp.received).toHaveLength(1)
})
