// A real SMTP server on loopback that can misbehave, and what it received, parsed.
import { type ParsedMail, simpleParser } from 'mailparser'
import { SMTPServer, type SMTPServerSession } from 'smtp-server'

export type SmtpMode =
  | 'accept'
  | 'busy' // 450 to every recipient
  | 'refuse' // 550 to every recipient
  | 'greylist' // 450 to a recipient the first time, 250 from then on
  | 'leave' // 421 at the recipient, then hangs up
  | 'full' // 552 to every recipient
  | 'reject' // 554 after the message
  | 'drop' // takes the whole message, then hangs up without an answer
  | 'hold' // takes the whole message and answers only once the mode has changed
  | 'no-login' // 535 to every login
  | 'no-greeting' // 554 instead of a greeting
  | 'down' // nobody listens at the port

export type Received = {
  /** The bytes of the message as text. */
  raw: string
  envelope: { from: string; to: string[] }
  mail: ParsedMail
  /** False when the server hung up or refused after it had read the message. */
  taken: boolean
}

export type Smtp = {
  /** Without credentials; add them when `login` is asked for. */
  readonly url: string
  readonly port: number
  /** Every message read to its end, also those that were dropped or rejected. */
  readonly received: readonly Received[]
  /** Connections opened so far. */
  readonly connections: number
  /** Messages that `hold` keeps without an answer. */
  readonly holding: number
  /** The next message that nobody has awaited yet. */
  next(): Promise<Received>
  behave(mode: SmtpMode): Promise<void>
  close(): Promise<void>
}

export type SmtpOptions = {
  behave?: SmtpMode
  /** Asks every sender to log in with these. */
  login?: { user: string; pass: string }
  /** Answers 550 to these recipients and takes the others. */
  unknown?: readonly string[]
  /** Refuses every connection with 554 and these words. */
  greeting?: string
  /** Offers STARTTLS with a certificate that nobody trusts. */
  starttls?: boolean
  /** Offers STARTTLS with this certificate. */
  tls?: { key: string; cert: string }
  /** Messages with this in them are kept without an answer, as in `hold`. */
  holds?: string
  /** Messages whose text has this in it are refused with 554. */
  refuses?: string
  /** Refuses larger messages with 552: beforehand, as it announces, or, unannounced, once it has them. */
  size?: { mostBytes: number; announced: boolean }
}

const reply = (responseCode: number, message: string): Error =>
  Object.assign(new Error(message), { responseCode })

// Servers like to repeat the address.
const atRecipient = (mode: SmtpMode, address: string): Error | null => {
  if (mode === 'busy') return reply(450, `4.2.1 <${address}> is busy`)
  if (mode === 'leave') return reply(421, '4.3.2 closing')
  if (mode === 'refuse') return reply(550, `5.1.1 <${address}> does not exist`)
  return mode === 'full' ? reply(552, `5.2.2 <${address}> is full`) : null
}

export const startSmtp = async (options: SmtpOptions = {}): Promise<Smtp> => {
  let mode = options.behave ?? 'accept'
  let port = 0
  let connections = 0
  let server: SMTPServer | null = null
  const received: Received[] = []
  const unread: Received[] = []
  const readers: ((message: Received) => void)[] = []
  const held: (() => void)[] = []
  const greeted = new Set<string>()

  const hangUp = (of: SMTPServer, session?: SMTPServerSession) => {
    for (const connection of of.connections)
      if (!session || connection.session === session) connection._socket.destroy()
  }

  const keep = (message: Received) => {
    received.push(message)
    const reader = readers.shift()
    if (reader) reader(message)
    else unread.push(message)
  }

  const make = (): SMTPServer => {
    const made = new SMTPServer({
      logger: false,
      disableReverseLookup: true,
      authOptional: options.login === undefined,
      allowInsecureAuth: true,
      disabledCommands: options.starttls || options.tls ? [] : ['STARTTLS'],
      ...options.tls,
      ...(options.size?.announced ? { size: options.size.mostBytes } : {}),
      onConnect(_session, done) {
        connections += 1
        const { greeting = 'no service for you' } = options
        done(mode === 'no-greeting' || options.greeting ? reply(554, greeting) : null)
      },
      onAuth(auth, _session, done) {
        const { login } = options
        const right = !login || (auth.username === login.user && auth.password === login.pass)
        if (mode === 'no-login' || !right) return done(reply(535, '5.7.8 authentication failed'))
        done(null, { user: auth.username })
      },
      onRcptTo({ address }, session, done) {
        if (mode === 'greylist' && !greeted.has(address)) {
          greeted.add(address)
          return done(reply(450, '4.7.1 greylisted, try again later'))
        }
        done(atRecipient(options.unknown?.includes(address) ? 'refuse' : mode, address))
        if (mode !== 'leave') return
        for (const connection of made.connections)
          if (connection.session === session) connection._socket.end()
      },
      onData(stream, session, done) {
        const chunks: Buffer[] = []
        stream.on('data', (chunk: Buffer) => chunks.push(chunk))
        stream.on('end', async () => {
          const raw = Buffer.concat(chunks)
          const { mailFrom, rcptTo } = session.envelope
          const isHeld = mode === 'hold' || (options.holds !== undefined && raw.includes(options.holds))
          if (isHeld) await new Promise<void>((resolve) => held.push(resolve))
          const mail = await simpleParser(raw)
          const isRefused = mode === 'reject' || (options.refuses && mail.text?.includes(options.refuses))
          keep({
            raw: raw.toString(),
            envelope: { from: mailFrom ? mailFrom.address : '', to: rcptTo.map(({ address }) => address) },
            mail,
            taken: !isRefused && (mode === 'accept' || mode === 'greylist'),
          })
          const isLarge = options.size !== undefined && raw.length > options.size.mostBytes
          if (mode === 'drop') hangUp(made, session)
          else if (isLarge) done(reply(552, 'more than I take'))
          else done(isRefused ? reply(554, '5.6.0 message refused') : null)
        })
      },
    })
    // A client that hangs up in the middle is part of the game.
    made.on('error', () => {})
    return made
  }

  const listen = async () => {
    const made = make()
    await new Promise<void>((resolve) => made.listen(port, '127.0.0.1', resolve))
    port = (made.server.address() as { port: number }).port
    server = made
  }

  const shut = async () => {
    const closing = server
    server = null
    if (!closing) return
    await new Promise<void>((resolve) => {
      closing.close(resolve)
      hangUp(closing)
    })
  }

  await listen()
  if (mode === 'down') await shut()

  return {
    get url() {
      return `smtp://127.0.0.1:${port}`
    },
    get port() {
      return port
    },
    received,
    get connections() {
      return connections
    },
    get holding() {
      return held.length
    },
    next: () => {
      const message = unread.shift()
      return message ? Promise.resolve(message) : new Promise((resolve) => readers.push(resolve))
    },
    async behave(wanted) {
      mode = wanted
      if (wanted === 'down') await shut()
      else if (!server) await listen()
      for (const release of held.splice(0)) release()
    },
    close: shut,
  }
}
