// Mails that the process died over, an end of the process that is no such thing, and letters that only the
// plainest form can be written of.
import { letter } from '../../lib/fallback/letter.ts'
import { files, inline } from '../support/files.ts'
import { closeAll, minute, postOffice, until } from '../support/post-office.ts'
import { letterContext, story } from '../support/stories.ts'

afterEach(closeAll)

const media = [inline(files.png, { name: 'photo.png', contentType: 'image/png' })]

test.each([
  [0, true],
  [2, true],
  [3, false],
  [9, false],
])('interrupted %i times: whole %s', async (interruptions, isWhole) => {
  const { engine, postman, smtp } = await postOffice()
  engine.owe({ interruptions, stories: [story({ event: { text: 'Roses?', media } })] })
  await postman().run()
  const { mail } = await smtp.next()
  expect(mail.html !== false).toBe(isWhole)
  expect(mail.text).toContain('Roses?')
  expect(mail.text!.includes('this email could not be sent otherwise: photo.png')).toBe(!isWhole)
})

test('interrupted ten times: failed without another attempt, with one alert', async () => {
  const { engine, postman, smtp, named, logged, lines } = await postOffice()
  const mail = engine.owe({ interruptions: 10, stories: [story({ event: { text: 'the secret plan' } })] })
  await postman().run()
  expect(smtp.connections).toBe(0)
  expect(engine.mail(mail.id)).toMatchObject({ state: 'failed', outcome: { code: 'interrupted' } })
  expect(named('alert').map(({ payload }) => payload.code)).toEqual(['mail-interrupted'])
  expect(named('failed')).toHaveLength(1)
  expect(logged('error')).toHaveLength(1)
  expect(JSON.stringify(lines)).not.toContain('secret')
})

test('interrupted ten times with several messages: they go on in halves, and nothing has failed', async () => {
  const { engine, postman, smtp, named, logged, lines } = await postOffice()
  const stories = ['one', 'two', 'three'].map((text) => story({ event: { text: `${text} secret` } }))
  engine.owe({ interruptions: 10, stories })
  expect(await postman().run()).toBe(3)
  expect(smtp.received).toHaveLength(2)
  expect(
    named('emailed')
      .map(({ payload }) => (payload.deliveryIds as string[]).length)
      .sort(),
  ).toEqual([1, 2])
  expect([...named('failed'), ...named('alert'), ...logged('error')]).toEqual([])
  expect(logged('warn')).toMatchObject([
    { details: { code: 'interrupted' }, message: expect.stringContaining('two go out instead') },
  ])
  expect(JSON.stringify(lines)).not.toContain('secret')
})

test('a stop gives back what it cuts off', async () => {
  const { engine, postman, smtp, clock } = await postOffice({ behave: 'hold' })
  engine.owe()
  const cut = postman()
  void cut.run()
  await until(() => smtp.holding === 1)
  const stopped = cut.stop(minute)
  await clock.advance(minute)
  await stopped
  expect(engine.calls.at(-1)).toBe('release')
  const [again] = await engine.claimMails({ limit: 1, leaseMs: minute })
  expect(again!.mail).toMatchObject({ tries: 0, interruptions: 0 })
})

test('a letter that cannot be written whole is written plain', async () => {
  const { engine, postman, smtp } = await postOffice({}, ({ mail, stories }, form) => {
    if (form !== 'plain') throw new TypeError('the secret plan')
    return letter(stories, letterContext({ mail, form }))
  })
  const mail = engine.owe({ stories: [story({ event: { text: 'Roses?' } })] })
  await postman().run()
  expect(engine.mail(mail.id).state).toBe('sent')
  expect((await smtp.next()).mail).toMatchObject({ html: false, text: expect.stringContaining('Roses?') })
})
