// Inflating by itself: one body at a time, so that many bombs need no more memory than one.
import { gzipSync } from 'node:zlib'
import { createInflater } from '../../lib/inbound/inflate.ts'

const mostBytes = 10_000_000

test('a small body waits for the large one before it', async () => {
  const inflate = createInflater()('gzip')!
  const finished: string[] = []
  const large = inflate(gzipSync(Buffer.alloc(mostBytes)), mostBytes).then(() => finished.push('large'))
  const small = inflate(gzipSync('text'), mostBytes).then(() => finished.push('small'))
  await Promise.all([large, small])
  expect(finished).toEqual(['large', 'small'])
})

test('one that fails holds up no other', async () => {
  const inflate = createInflater()('gzip')!
  const [broken, bomb, good] = await Promise.allSettled([
    inflate(Buffer.from('no gzip'), mostBytes),
    inflate(gzipSync(Buffer.alloc(mostBytes + 1)), mostBytes),
    inflate(gzipSync('text'), mostBytes),
  ])
  expect(broken).toMatchObject({ reason: { code: 'body-encoding' } })
  expect(bomb).toMatchObject({ reason: { code: 'body-too-large' } })
  expect(good).toEqual({ status: 'fulfilled', value: Buffer.from('text') })
})

test.each([undefined, '', 'identity', ' Identity '])('%j is nothing to undo', (header) => {
  expect(createInflater()(header)).toBeNull()
})
