// Checks what a developer wrote, in words: which option, what was seen, what to write. Each part keeps its
// own schema; the `describe` text of a field is what its error tells the developer to write.
import { closestMatch } from 'leven'
import { z } from 'zod'
import { OptionsError } from './errors.ts'

const secretNames = /token|secret|smtp|pass|auth|key/i

/** What was seen, safe to print: a secret is described, never shown. */
const describeValue = (value: unknown, path: string): string => {
  if (value === undefined) return 'undefined'
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return `a list of ${value.length}`
  if (typeof value === 'object' && value !== null) return 'an object'
  if (secretNames.test(path))
    return typeof value === 'string' ? `a text of ${value.length} characters` : `a ${typeof value}`
  return JSON.stringify(value)?.slice(0, 80) ?? String(value)
}

const unwrap = (schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined => {
  let inner = schema
  while (inner && 'innerType' in inner._zod.def) inner = inner._zod.def.innerType as z.core.$ZodType
  return inner
}

const stepInto = (schema: z.core.$ZodType | undefined, key: PropertyKey): z.core.$ZodType | undefined => {
  const inner = unwrap(schema)
  if (inner instanceof z.ZodObject) return inner.shape[key as string]
  if (inner instanceof z.ZodUnion) {
    return inner.options.map((option) => stepInto(option, key)).find((option) => option !== undefined)
  }
  if (inner instanceof z.ZodRecord) return inner.valueType as z.core.$ZodType
  if (inner instanceof z.ZodArray) return inner.element as z.core.$ZodType
  return undefined
}

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce(
    (part, key) =>
      part === null || part === undefined ? undefined : (part as Record<PropertyKey, unknown>)[key],
    value,
  )

const at = (path: readonly PropertyKey[], root: string): string =>
  [root, ...path.map(String)].filter(Boolean).join('.')

const explain = (issue: z.core.$ZodIssue, schema: z.ZodType, value: unknown, root: string): string[] => {
  const found = issue.path.reduce<z.core.$ZodType | undefined>(stepInto, schema)
  if (issue.code === 'unrecognized_keys') {
    const inner = unwrap(found)
    const shapes = inner instanceof z.ZodUnion ? inner.options.map(unwrap) : [inner]
    const known = shapes.flatMap((shape) => (shape instanceof z.ZodObject ? Object.keys(shape.shape) : []))
    return issue.keys.map((key) => {
      const nearest = closestMatch(key, known)
      const hint = nearest === undefined ? '' : `; did you mean \`${nearest}\`?`
      return `\`${at([...issue.path, key], root)}\` is not an option${hint} (known here: ${known.join(', ')})`
    })
  }
  if (issue.code === 'invalid_union' && typeof valueAt(value, issue.path) === 'object') {
    // Of several ways to write an option, an object was meant: its own faults say more.
    const variants = found instanceof z.ZodUnion ? found.options : []
    const meant = variants.findIndex((variant) => unwrap(variant) instanceof z.ZodObject)
    const inner = (issue.errors[meant] ?? []).map((one) => ({ ...one, path: [...issue.path, ...one.path] }))
    if (inner.length > 0) return inner.flatMap((one) => explain(one as z.core.$ZodIssue, schema, value, root))
  }
  if (issue.code === 'custom') return [`\`${at(issue.path, root) || 'options'}\`: ${issue.message}`]
  const seen = valueAt(value, issue.path)
  const path = at(issue.path, root)
  const wanted =
    z.globalRegistry.get((unwrap(found) ?? schema) as z.ZodType)?.description ??
    z.globalRegistry.get((found ?? schema) as z.ZodType)?.description
  return [
    `\`${path || 'options'}\` is ${describeValue(seen, path)}; ${wanted ? `write ${wanted}` : issue.message}`,
  ]
}

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
  const lines = result.error.issues.flatMap((issue) => explain(issue, schema, value, root))
  throw new OptionsError('options-invalid', lines.join('\n'))
}
