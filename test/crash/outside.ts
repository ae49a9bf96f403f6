// The world around the app that gets killed: a webhook, which also answers for the handler, and a mail server.
// Their answers follow from the message alone, and they keep count of what reached them.
import { createHash } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { type Asked, startHttp } from '../support/http-server.ts'
import { type Smtp, startSmtp } from '../support/smtp.ts'

export type Tried = {
  /** Tries that reached the endpoint. */
  asked: number
  /** Tries that were answered 200. */
  taken: number
}

export type Outside = {
  url: string
  smtp: Smtp
  /** By endpoint and message id; see `nameOf`. */
  tried: ReadonlyMap<string, Tried>
  totals: { asked: number; taken: number }
  /** Called at each try that arrives, with its name and what was before the endpoint in the path, before it is answered. */
  onAsked: (name: string, who: string, response: ServerResponse) => void
  /** Called when a 200 was handed to the socket. */
  onTaken: (who: string) => void
  close(): Promise<void>
}

export const nameOf = (endpointId: string, messageId: string) => `${endpointId} ${messageId}`

/** 0 to 1, always the same for the same words. */
const chance = (...words: unknown[]): number =>
  createHash('sha256').update(words.join(' ')).digest().readUInt32BE() / 2 ** 32

type Fate = 'take' | 'fail' | 'never' | 'reset'

/** A third of the messages is taken at once, a fifth never, the others sooner or later. */
const fateOf = (name: string, n: number): Fate => {
  const kind = chance(name)
  if (kind < 0.33) return 'take'
  if (kind < 0.8 && chance(name, n) < 0.4) return 'take'
  const how = chance(name, n, 'how')
  if (how < 0.1) return 'never'
  return how < 0.3 ? 'reset' : 'fail'
}

const messageIdOf = (endpointId: string, { body }: Asked): string =>
  endpointId === 'crm' ? new URLSearchParams(body).get('message_id')! : body

/** An answer takes up to `mostMs`, and at least a twentieth of it. */
export const startOutside = async ({ mostMs = 0 } = {}): Promise<Outside> => {
  const tried = new Map<string, Tried>()
  const totals = { asked: 0, taken: 0 }

  const answer = async (asked: Asked, response: ServerResponse) => {
    const [endpointId, who] = asked.path.slice(1).split('/').reverse() as [string, string?]
    const name = nameOf(endpointId, messageIdOf(endpointId, asked))
    const one = tried.get(name) ?? { asked: 0, taken: 0 }
    tried.set(name, one)
    one.asked += 1
    totals.asked += 1
    outside.onAsked(name, who ?? '', response)
    const fate = fateOf(name, one.asked)
    if (mostMs > 0) await pause(mostMs * Math.max(chance(name, one.asked, 'slow'), 0.05))
    switch (fate) {
      case 'take':
        one.taken += 1
        totals.taken += 1
        response.end(() => outside.onTaken(who ?? ''))
        break
      case 'fail':
        response.writeHead(500).end('no')
        break
      case 'reset':
        response.socket?.destroy()
        break
      case 'never':
        break
    }
  }

  const http = await startHttp(answer)
  const smtp = await startSmtp()
  const outside: Outside = {
    url: http.url,
    smtp,
    tried,
    totals,
    onAsked: () => {},
    onTaken: () => {},
    close: async () => {
      await http.close()
      await smtp.close()
    },
  }
  return outside
}
