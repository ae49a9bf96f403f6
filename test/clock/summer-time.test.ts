// Summer time begins and ends, and a leap second is inserted, while ten tries are due: instants are counted in
// milliseconds since the epoch, so that neither the host's time zone nor the mailbox's moves any of them.
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

type Printed = { waits: number[]; text: string }

const script = join(import.meta.dirname, 'schedule-print.ts')
const under = (zone: string, start: number): Printed =>
  JSON.parse(
    execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', script, String(start)], {
      encoding: 'utf8',
      env: { ...process.env, TZ: zone, NODE_OPTIONS: '' },
    }),
  )

const zones = ['UTC', 'Australia/Sydney', 'America/New_York', 'Australia/Lord_Howe']
const delays = [5, 15, 30, 60, 120, 240, 360, 480, 600].map((seconds) => seconds * 1_000)

test.each<[string, number, string[]]>([
  // Sydney's clocks go from 3:00 back to 2:00 at 16:00 UTC.
  ['summer time ends', Date.UTC(2026, 3, 4, 15, 50), ['02:50:00', '02:50:05', '02:03:50']],
  // And from 2:00 to 3:00 at 16:00 UTC.
  ['summer time begins', Date.UTC(2026, 9, 3, 15, 50), ['01:50:00', '01:50:05', '03:03:50']],
  ['a leap second is inserted', Date.UTC(2016, 11, 31, 23, 50), ['10:50:00', '10:50:05', '11:03:50']],
])('%s, and every try is due when it was due', (_what, start, shown) => {
  const [first, ...others] = zones.map((zone) => under(zone, start))
  expect(first!.waits).toEqual(delays.flatMap((delay) => [0, delay]))
  for (const other of others) expect(other).toEqual(first)
  // The letter is written by the clocks of its mailbox, with UTC beside them where it says the date.
  for (const time of shown) expect(first!.text).toContain(time)
  expect(first!.text).toContain(`${new Date(start).toISOString().slice(0, 16).replace('T', ' ')} UTC`)
})
