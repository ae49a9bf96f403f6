// A PBX that owes its customers webhooks: each customer has an address of their own, named at run time, and
// an email address for when it is down. Their URLs are data, so they pass the address guard.
import express from 'express'
import { smshook, sqlite } from 'smshook'

type Customer = { id: string; number: string; url: string; email: string }

const customers: Customer[] = [
  {
    id: 'florist',
    number: '+61298765432',
    url: 'https://florist.example.com/sms',
    email: 'owner@florist.example.com',
  },
]

const sms = smshook({
  fallback: { smtp: process.env.SMTP_URL, from: 'sms@pbx.example.com', to: 'support@pbx.example.com' },
  engine: sqlite(process.env.SMS_DB ?? './operator.db'),
})

const app = express()
app.use(express.json())

// What the telephone network side of the PBX calls for each SMS that came in.
app.post('/incoming', async (request, response) => {
  const { from, to, text, messageId } = request.body
  const customer = customers.find(({ number }) => number === to)
  if (!customer) return response.sendStatus(404)
  const { id, url, email } = customer
  await sms.dispatch({ from, to, text, messageId }, { id, url, fallback: { to: email } })
  response.sendStatus(200) // it is stored: ten tries, then the email
})

await sms.ready
app.listen(process.env.PORT ?? 3000)
