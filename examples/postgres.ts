// Copies of one app on one PostgreSQL: start it on as many machines as you like. All of them receive and deliver, and
// a row of yours and the message that is owed for it are stored together or not at all.
import express from 'express'
import pg from 'pg'
import { postgres, smshook, urlNetworks } from 'smshook'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })

const sms = smshook({
  engine: postgres({ pool }),
  gateways: { pbx: urlNetworks({ token: process.env.SMS_TOKEN }) },
  deliverTo: { crm: { url: process.env.CRM_URL ?? 'https://crm.example.com/sms' } },
  fallback: { smtp: process.env.SMTP_URL, from: 'sms@example.com', to: 'owner@example.com' },
})

const app = express()
app.use('/sms', sms.router) // POST /sms/pbx/<SMS_TOKEN>

// A form of the website. `CREATE TABLE callbacks (number text NOT NULL)` made the table.
app.post('/callbacks', express.urlencoded(), async (request, response) => {
  const { number } = request.body
  const message = { from: number, to: 'website', text: 'Please call me back' }
  const endpoint = { id: 'callbacks', url: 'https://crm.example.com/callbacks' }
  const client = await pool.connect()
  const onLost = () => {} // without a listener, a connection that is lost would end the process
  client.on('error', onLost)
  let fault: Error | undefined
  try {
    await client.query('BEGIN')
    await client.query('INSERT INTO callbacks VALUES ($1)', [number])
    await sms.dispatch(message, endpoint, { client })
    await client.query('COMMIT')
    response.sendStatus(201)
  } catch (error) {
    fault = error as Error
    throw error
  } finally {
    client.off('error', onLost)
    client.release(fault) // a connection on which something failed is closed, and so rolled back
  }
})

await sms.ready
const listening = app.listen(process.env.PORT ?? 3000)

// What is under way may end, and the rest is left to the other copies at once.
process.once('SIGTERM', async () => {
  listening.close()
  await sms.close()
  await pool.end()
})
