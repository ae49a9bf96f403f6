// A promise that the test settles.

export type Deferred<Value> = {
  promise: Promise<Value>
  resolve(value: Value): void
  reject(error: unknown): void
}

export const deferred = <Value = void>(): Deferred<Value> => {
  let settlers!: Pick<Deferred<Value>, 'resolve' | 'reject'>
  const promise = new Promise<Value>((resolve, reject) => {
    settlers = { resolve, reject }
  })
  return { promise, ...settlers }
}
