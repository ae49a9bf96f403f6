// Imported before everything else: on a Node that is too old for the rest it says so in one line and ends the
// process, which would otherwise end in the stack trace of some import that cannot be found.

/** The oldest Node that runs this; the same stands in package.json. */
const oldest = [22, 19] as const

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
  const seen = `${process.version} (${process.execPath})`
  console.error(
    `smshook needs Node.js ${oldest.join('.')} or later and got ${seen}; install Node.js 24 (node-unsupported)`,
  )
  process.exit(1)
}
