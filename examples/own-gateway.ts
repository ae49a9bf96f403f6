// A gateway of your own: the form that Twilio posts for each SMS, signed with the account's auth token.
import express from 'express'
import { defineGateway, smshook, sqlite, verifyMac } from 'smshook'

const twilio = (options: { secret: string | undefined; url: string }) =>
  defineGateway({
    kind: 'twilio',
    secret: options.secret,
    needsBytes: false, // the signature is made over the fields, not over the bytes
    verify: ({ headers, form }, secrets) => {
      const fields = Object.entries(form().fields).sort(([a], [b]) => (a < b ? -1 : 1))
      const parts = [options.url, ...fields.flat()]
      verifyMac(headers['x-twilio-signature'], { secrets, parts, algorithm: 'sha1', encoding: 'base64' })
    },
    parse: ({ form }) => {
      const { fields, notes } = form()
      const { MessageSid, From, To, Body } = fields
      return {
        identity: MessageSid,
        messageId: MessageSid,
        from: From,
        to: To,
        text: Body,
        raw: fields,
        notes,
      }
    },
  })

const sms = smshook({
  gateways: {
    twilio: twilio({ secret: process.env.TWILIO_AUTH_TOKEN, url: 'https://app.example.com/sms/twilio' }),
  },
  deliverTo: { log: { handler: ({ from, text }) => console.log(`${from?.raw} says: ${text}`) } },
  fallback: false,
  engine: sqlite(':memory:'),
})

express()
  .use('/sms', sms.router)
  .listen(process.env.PORT ?? 3000)
