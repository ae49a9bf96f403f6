// How often a process may die over one message. Alone in its file: the store's thread loads it, and nothing foreign.

/** A message or a mail that the process died over so often is not tried again: it would loop for ever. */
export const mostInterruptions = 10

/** The second time is no accident that met many at once any more: what is interrupted so often is kept apart. */
export const suspectFrom = 2
