// How hard a test tortures: a little every day, as hard and as long as asked by `npm run torture`.

/** What is done once every day is done this many times. */
export const scale = Number(process.env.TORTURE_SCALE ?? 1)

/** Random choices follow from it, so that what went wrong can be seen again. */
export const seed = Number(process.env.TORTURE_SEED ?? Math.floor(Math.random() * 2 ** 31))

/** Prints what happened in a few figures: one line, the last of which is kept for the table. */
export const tell = (part: string, figures: Record<string, string | number>): void => {
  const words = Object.entries(figures).map(([name, value]) => `${name} ${value}`)
  process.stderr.write(`${part}, TORTURE_SEED=${seed}: ${words.join(', ')}\n`)
}
