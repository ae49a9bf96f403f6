// A name server on loopback that answers A and AAAA questions as the test says, and a resolver that asks it.

import { createSocket } from 'node:dgram'
import { type LookupAddress, Resolver } from 'node:dns'
import { once } from 'node:events'
import ipaddr from 'ipaddr.js'
import type { Resolve } from '../../lib/outbound/guard.ts'

/** Addresses, and after `cname:` another name that the first one stands for. None at all: the name is unknown. */
export type Answers = readonly string[]

export type DnsServer = {
  /** Asks this server for A and AAAA, as the system's resolver would. */
  readonly resolve: Resolve
  /** Every question so far, such as `A crm.example.com`. */
  readonly asked: readonly string[]
  close(): Promise<void>
}

const [typeA, typeCname, typeAaaa] = [1, 5, 28]
const unknownName = 3

const nameBytes = (name: string): Buffer =>
  Buffer.concat([
    ...name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ])

/** The name at the beginning of a question. */
const nameIn = (message: Buffer, start: number): { name: string; end: number } => {
  const labels: string[] = []
  let at = start
  for (let length = message[at]!; length > 0; length = message[at]!) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length))
    at += 1 + length
  }
  return { name: labels.join('.'), end: at + 1 }
}

const record = (name: string, type: number, data: Buffer): Buffer => {
  const fixed = Buffer.alloc(10)
  fixed.writeUInt16BE(type, 0)
  fixed.writeUInt16BE(1, 2)
  fixed.writeUInt16BE(data.length, 8)
  return Buffer.concat([nameBytes(name), fixed, data])
}

const recordsOf = (name: string, asked: number, answers: Answers): Buffer[] => {
  const records: Buffer[] = []
  let owner = name
  for (const answer of answers) {
    if (answer.startsWith('cname:')) {
      const next = answer.slice('cname:'.length)
      records.push(record(owner, typeCname, nameBytes(next)))
      owner = next
      continue
    }
    const type = answer.includes(':') ? typeAaaa : typeA
    if (type === asked) records.push(record(owner, type, Buffer.from(ipaddr.parse(answer).toByteArray())))
  }
  return records
}

const replyTo = (message: Buffer, answers: Answers, name: string, end: number): Buffer => {
  const records = recordsOf(name, message.readUInt16BE(end), answers)
  const head = Buffer.alloc(12)
  message.copy(head, 0, 0, 2)
  head.writeUInt16BE(0x8180 | (answers.length === 0 ? unknownName : 0), 2)
  head.writeUInt16BE(1, 4)
  head.writeUInt16BE(records.length, 6)
  return Buffer.concat([head, message.subarray(12, end + 4), ...records])
}

/** `answer` is asked for each question; `n` counts those for the same name and type, the first being 1. */
export const startDns = async (answer: (name: string, n: number) => Answers): Promise<DnsServer> => {
  const asked: string[] = []
  const socket = createSocket('udp4')
  socket.on('message', (message, from) => {
    const { name, end } = nameIn(message, 12)
    const question = `${message.readUInt16BE(end) === typeA ? 'A' : 'AAAA'} ${name}`
    asked.push(question)
    const n = asked.filter((one) => one === question).length
    socket.send(replyTo(message, answer(name, n), name, end), from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')

  const resolver = new Resolver({ timeout: 2_000, tries: 1 })
  resolver.setServers([`127.0.0.1:${socket.address().port}`])
  const one = (method: 'resolve4' | 'resolve6', name: string) =>
    new Promise<string[] | NodeJS.ErrnoException>((done) => {
      resolver[method](name, (error, addresses) => done(error ?? addresses))
    })

  return {
    asked,
    resolve: async (hostname, _options, callback) => {
      const results = await Promise.all([one('resolve4', hostname), one('resolve6', hostname)])
      const addresses = results.flatMap((result, index): LookupAddress[] =>
        Array.isArray(result) ? result.map((address) => ({ address, family: index === 0 ? 4 : 6 })) : [],
      )
      const error = results.find((result) => !Array.isArray(result)) as NodeJS.ErrnoException | undefined
      // Like the system's: one family is enough.
      if (addresses.length > 0 || !error || error.code === 'ENODATA') callback(null, addresses)
      else callback(error, [])
    },
    close: async () => {
      resolver.cancel()
      socket.close()
      await once(socket, 'close')
    },
  }
}
