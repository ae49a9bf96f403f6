// Checks what a developer wrote, in words: which option, what was seen, what to write. Each part keeps its
// own schema; the `describe` text of a field is what its error tells the developer to write.
import { closestMatch } from 'leven'
import { z } from 'zod'
import { OptionsError } from './errors.ts'

const secretNames = /token|secret|smtp|pass|auth|key(?!word)/i
/** The credentials and the query of a URL, also of one that lacks its `https://`. */
const secretParts = /:\S*@|\?/
/** Numbers and texts of a message. */
const messageNames = /^(event|message)\b/

/** What was seen, safe to print: a secret is described, never shown. */
const describeValue = (value: unknown, path: string): string => {
  if (value === undefined) return 'undefined'
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  const isSecret = secretNames.test(path) || messageNames.test(path) || secretParts.test(String(value))
  if (isSecret)
    return typeof value === 'string' ? `a text of ${value.length} characters` : `a ${typeof value}`
  return (typeof value === 'string' ? JSON.stringify(value) : String(value)).slice(0, 80)
}

type Schema = z.core.$ZodType | undefined
type Path = readonly PropertyKey[]

const unwrap = (schema: Schema): Schema => {
  let inner = schema
  while (inner && 'innerType' in inner._zod.def) inner = inner._zod.def.innerType as z.core.$ZodType
  return inner
}

const stepInto = (schema: Schema, key: PropertyKey): Schema => {
  const inner = unwrap(schema)
  if (inner instanceof z.ZodObject) return inner.shape[key as string]
  if (inner instanceof z.ZodUnion) {
    return inner.options.map((option) => stepInto(option, key)).find((option) => option !== undefined)
  }
  if (inner instanceof z.ZodRecord) return inner.valueType as z.core.$ZodType
  if (inner instanceof z.ZodArray) return inner.element as z.core.$ZodType
  return undefined
}

const schemaAt = (schema: z.ZodType, path: Path): Schema => path.reduce<Schema>(stepInto, schema)

const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce(
    (part, key) =>
      part === null || part === undefined ? undefined : (part as Record<PropertyKey, unknown>)[key],
    value,
  )

/** What the developer should write: the schema's description, else that of what it is a part of. */
const adviceAt = (schema: z.ZodType, path: Path): string | undefined => {
  const found = schemaAt(schema, path)
  const descriptions = [unwrap(found), found].map((one) => one && z.globalRegistry.get(one)?.description)
  const own = descriptions.find((description) => description !== undefined)
  return own ?? (path.length > 0 ? adviceAt(schema, path.slice(0, -1)) : undefined)
}

const nameOf = (path: Path, root: string): string =>
  [root, ...path.map(String)].filter(Boolean).join('.') || 'options'

/** A guess only where at least half of the word is the same; a swap of two letters always is. */
const nearest = (word: string, known: readonly string[]): string => {
  const match = closestMatch(word, known, { maxDistance: Math.max(2, Math.floor(word.length / 2)) })
  return match === undefined ? '' : `did you mean \`${match}\`? `
}

/** Of several ways to write an option, the one that was meant; its own faults say more. */
const meantBy = (schema: Schema, value: unknown): number => {
  const variants = schema instanceof z.ZodUnion ? schema.options : []
  const kind = Array.isArray(value) ? z.ZodArray : z.ZodObject
  return typeof value === 'object' ? variants.findIndex((variant) => unwrap(variant) instanceof kind) : -1
}

const isUnsaid = (message: string): boolean => message.startsWith('write ') || message === 'Invalid input'

const explain = (issue: z.core.$ZodIssue, schema: z.ZodType, value: unknown, root: string): string[] => {
  const { path } = issue
  const name = nameOf(path, root)
  const found = unwrap(schemaAt(schema, path))
  const seen = valueAt(value, path)
  switch (issue.code) {
    case 'unrecognized_keys': {
      const shapes = found instanceof z.ZodUnion ? found.options.map(unwrap) : [found]
      const known = shapes.flatMap((shape) => (shape instanceof z.ZodObject ? Object.keys(shape.shape) : []))
      return issue.keys.map(
        (key) =>
          `\`${nameOf([...path, key], root)}\` is not an option; ${nearest(key, known)}(known here: ${known.join(', ')})`,
      )
    }
    case 'invalid_union': {
      const inner = issue.errors[meantBy(found, seen)] ?? []
      if (inner.length === 0) break
      const whole = inner.map((one) => ({ ...one, path: [...path, ...one.path] }) as z.core.$ZodIssue)
      return whole.flatMap((one) => explain(one, schema, value, root))
    }
    case 'invalid_key':
      return [`\`${name}\`: ${issue.issues[0]?.message}`]
    case 'invalid_value': {
      if (!(found instanceof z.ZodEnum) || typeof seen !== 'string') break
      const known = issue.values.map(String)
      return [
        `\`${name}\` is ${describeValue(seen, name)}; ${nearest(seen, known)}(known here: ${known.join(', ')})`,
      ]
    }
    case 'custom':
      if (!isUnsaid(issue.message)) return [`\`${name}\`: ${issue.message}`]
  }
  const advice = adviceAt(schema, path)
  const wanted = issue.message.startsWith('write ') || !advice ? issue.message : `write ${advice}`
  return [`\`${name}\` is ${describeValue(seen, name)}; ${wanted}`]
}

const isMisspelling = ({ code }: z.core.$ZodIssue): number => (code === 'unrecognized_keys' ? 1 : 0)

/**
 * Returns `value` as the schema reads it. Throws an OptionsError with a line for each fault.
 * `root` is the option that holds the value, empty for the outermost.
 */
export const checkOptions = <Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  root = '',
): z.output<Schema> => {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  // What is missing may be what was misspelt.
  const issues = result.error.issues.toSorted((a, b) => isMisspelling(b) - isMisspelling(a))
  const lines = issues.flatMap((issue) => explain(issue, schema, value, root))
  throw new OptionsError('options-invalid', lines.join('\n'))
}
