import express from 'express'
import { smshook, urlNetworks } from 'smshook'

const sms = smshook({
  gateways: { pbx: urlNetworks({ token: process.env.SMS_TOKEN }) },
  deliverTo: { crm: { url: 'https://crm.example.com/sms' } },
  fallback: { smtp: process.env.SMTP_URL, from: 'sms@example.com', to: 'owner@example.com' },
})

const app = express()
app.use('/sms', sms.router) // POST /sms/pbx/<SMS_TOKEN>
app.listen(process.env.PORT ?? 3000)
