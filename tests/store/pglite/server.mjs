// A PostgreSQL with TimescaleDB for tests, behind PostgreSQL's own wire protocol on a loopback port.
//
// The engine is PGlite: PostgreSQL in WebAssembly, one session on one database, called with messages and answering at
// once. What clients expect of a server and such an engine has not is made here: the start-up, COPY from the client, one
// "ready" for each Sync, an engine for each database, and clients that wait for each other. A client has its database's
// engine from its first message until no transaction is open. The names of its prepared statements are made its own;
// settings, temporary tables and advisory locks are shared by all, and cleared when the last client leaves.
//
// node server.mjs FOLDER_OF_NODE_MODULES   prints its port, and ends with its standard input.

import { readFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

const VERSION_3 = 3, SSL_REQUEST = 80877103, GSS_REQUEST = 80877104, CANCEL_REQUEST = 80877102
const PATIENCE_MS = 30_000 // who waits behind a transaction of his own test would wait for ever

const dist = join(process.argv[2], "@unni-craftsman", "pglite", "dist")
const load = (...path) => import(pathToFileURL(join(dist, ...path)))
const { PGlite } = await load("index.js")
const { timescaledb } = await load("timescaledb", "index.js")
const { btree_gist } = await load("contrib", "btree_gist.js")
const wasmModule = new WebAssembly.Module(readFileSync(join(dist, "pglite.wasm")))

// Messages ------------------------------------------------------------------------------------------------------------

/** One message; a part that is a string ends with a zero byte. */
function message(type, ...parts) {
  const body = Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(`${part}\0`) : part)))
  const head = Buffer.alloc(5)
  head.write(type, "latin1")
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

/** The whole messages at the start of some bytes, as [type, bytes], and what is left. */
function split(bytes) {
  const found = []
  let at = 0
  while (bytes.length - at >= 5) {
    const end = at + 1 + bytes.readInt32BE(at + 1)
    if (end > bytes.length) break
    found.push([String.fromCharCode(bytes[at]), bytes.subarray(at, end)])
    at = end
  }
  return [found, bytes.subarray(at)]
}

const query = (statement) => message("Q", statement)
const ready = (status) => message("Z", Buffer.from(status))
const failure = (severity, code, words) => message("E", `S${severity}`, `V${severity}`, `C${code}`, `M${words}`, Buffer.alloc(1))
const GREETING = Buffer.concat([
  message("R", Buffer.alloc(4)), // nobody is asked for a password
  ...Object.entries({
    server_version: "17.5", server_encoding: "UTF8", client_encoding: "UTF8", TimeZone: "UTC", DateStyle: "ISO, MDY",
    IntervalStyle: "postgres", integer_datetimes: "on", standard_conforming_strings: "on",
  }).map(([name, value]) => message("S", name, value)),
  message("K", Buffer.alloc(8)),
  ready("I"),
])

// Databases -----------------------------------------------------------------------------------------------------------

/** One engine, and who may speak to it. */
class Base {
  holder = null
  waiting = []
  clients = new Set()

  static async make(loadDataDir) {
    const base = new Base()
    base.engine = await PGlite.create({ wasmModule, loadDataDir, extensions: { timescaledb, btree_gist } })
    await base.engine.exec("LOAD 'timescaledb'") // as shared_preload_libraries does on a server
    base.clear()
    return base
  }

  /** What the engine answers to messages; copied, for it uses its buffer again. */
  ask(bytes) {
    return split(Buffer.from(this.engine.execProtocolRawSync(bytes)))[0]
  }

  /** Make the session as a new one is. The engine's own default names no schema. */
  clear() {
    for (const statement of ["DISCARD ALL", "SET search_path TO public", "SET TIME ZONE 'UTC'"]) this.ask(query(statement))
  }

  next() {
    if (this.holder !== null || this.waiting.length === 0) return
    this.holder = this.waiting.shift()
    this.holder.work()
  }
}

const bases = new Map([["postgres", await Base.make()]])
const empty = await bases.get("postgres").engine.dumpDataDir("none")

/** Carry out CREATE DATABASE or DROP DATABASE; what to answer, or undefined where a statement is neither. */
async function administer(statement) {
  const [, verb, name, rest] = /^\s*(create|drop)\s+database\s+(?:if\s+exists\s+)?"?(\w+)"?(.*)$/is.exec(statement) ?? []
  if (verb === undefined) return undefined
  if (verb.toLowerCase() === "drop") {
    for (const client of bases.get(name)?.clients ?? []) client.socket.destroy()
    bases.delete(name)
    return message("C", "DROP DATABASE")
  }
  const template = /\btemplate\s*=?\s*"?(\w+)"?/is.exec(rest)?.[1]
  if (bases.has(name)) return failure("ERROR", "42P04", `database "${name}" already exists`)
  if (template !== undefined && !bases.has(template)) return failure("ERROR", "3D000", `template database "${template}" does not exist`)
  bases.set(name, await Base.make(template === undefined ? empty : await bases.get(template).engine.dumpDataDir("none")))
  return message("C", "CREATE DATABASE")
}

// Clients -------------------------------------------------------------------------------------------------------------

class Client {
  static count = 0
  prefix = `c${Client.count++}_`
  base = null // until it has said which
  unread = Buffer.alloc(0)
  queue = [] // messages not yet carried out
  working = false
  status = "I" // I: no transaction is open
  skipping = false // after an error, until Sync
  copy = null // the COPY that runs: its statement, and the data as it comes

  constructor(socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on("data", (data) => this.take(data))
    socket.on("error", () => socket.destroy())
    socket.on("close", () => this.leave())
  }

  take(data) {
    this.unread = Buffer.concat([this.unread, data])
    while (this.base === null) {
      if (this.unread.length < 8 || this.unread.length < this.unread.readInt32BE()) return
      if (!this.start()) return
    }
    const [found, unread] = split(this.unread)
    this.queue.push(...found)
    this.unread = unread
    if (this.base.holder === this) this.work()
    else if (this.queue.length > 0) this.wait()
  }

  /** Answer the first message; whether one may go on. */
  start() {
    const length = this.unread.readInt32BE(), code = this.unread.readInt32BE(4)
    const words = this.unread.toString("utf8", 8, length).split("\0")
    this.unread = this.unread.subarray(length)
    if (code === SSL_REQUEST || code === GSS_REQUEST) return this.socket.write("N")
    if (code === CANCEL_REQUEST || code >>> 16 !== VERSION_3) return this.refuse("0A000", "not offered here")
    const name = words[words.indexOf("database") + 1]
    this.base = bases.get(name) ?? null
    if (this.base === null) return this.refuse("3D000", `database "${name}" does not exist`)
    this.base.clients.add(this)
    return this.socket.write(GREETING)
  }

  refuse(code, words) {
    this.socket.end(failure("FATAL", code, words))
    return false
  }

  wait() {
    if (!this.base.waiting.includes(this)) {
      const give = () => this.refuse("55P03", "another connection's transaction holds the one session of this server")
      this.timer = setTimeout(give, PATIENCE_MS)
      this.base.waiting.push(this)
    }
    this.base.next()
  }

  /** Carry out what has come, and give the engine back unless a transaction is open or a request half sent. */
  async work() {
    clearTimeout(this.timer)
    if (this.working) return
    this.working = true
    let whole = true
    while (this.queue.length > 0) whole = await this.carryOut(...this.queue.shift())
    this.working = false
    if (whole && this.status === "I" && this.base.holder === this) {
      this.base.holder = null
      setImmediate(() => this.base.next())
    }
  }

  /** Carry out one message; whether it ends a request. */
  async carryOut(type, bytes) {
    if (type === "X") this.socket.end()
    else if (this.copy !== null) return this.copied(type, bytes)
    else if (type === "Q") return this.queried(bytes)
    else if (type === "S") {
      this.skipping = false
      return this.answer(this.base.ask(bytes), true)
    } else if (type !== "H" && !this.skipping) {
      this.answer(this.base.ask(this.named(type, bytes)), false)
    }
    return type === "X"
  }

  async queried(bytes) {
    const statement = bytes.toString("utf8", 5, bytes.length - 1)
    const done = await administer(statement)
    if (done !== undefined) return this.answer(split(done)[0], true)
    const format = /^\s*copy\b.*\bfrom\s+stdin\b/is.test(statement) ? this.copyFormat(bytes) : undefined
    if (format === undefined) return this.answer(this.base.ask(bytes), true)
    this.copy = [bytes]
    this.socket.write(format)
    return false
  }

  /** What a COPY wants of its data, undefined where it fails before that.
   *
   * The engine takes statement and data at once, the client sends data when it knows the format: so a COPY without data
   * is broken off first.
   */
  copyFormat(bytes) {
    const inside = this.status === "T"
    if (inside) this.base.ask(query("SAVEPOINT before_copy"))
    const format = this.base.ask(Buffer.concat([bytes, message("f", "")])).find(([kind]) => kind === "G")
    if (inside) this.base.ask(query("ROLLBACK TO before_copy; RELEASE before_copy"))
    return format?.[1]
  }

  copied(type, bytes) {
    if ("dcf".includes(type)) this.copy.push(bytes)
    if (!"cf".includes(type)) return false
    const whole = Buffer.concat(this.copy)
    this.copy = null
    return this.answer(this.base.ask(whole).filter(([kind]) => kind !== "G"), true)
  }

  /** Hand on what the engine said, but say "ready" once, where a request `ends`. */
  answer(said, ends) {
    for (const [kind, bytes] of said) {
      if (kind === "Z") this.status = String.fromCharCode(bytes[5])
      if (kind === "E" && !ends) this.skipping = true
    }
    const parts = said.filter(([kind]) => kind !== "Z").map(([, bytes]) => bytes)
    if (ends) parts.push(ready(this.status))
    if (parts.length > 0) this.socket.write(Buffer.concat(parts))
    return ends
  }

  /** A message with the name of a prepared statement made the client's own. */
  named(type, bytes) {
    let at
    if (type === "P") at = 5
    else if (type === "B") at = bytes.indexOf(0, 5) + 1 // after the portal
    else if ("DC".includes(type) && bytes[5] === 0x53) at = 6 // of a statement, not a portal
    if (at === undefined || bytes[at] === 0) return bytes
    return message(type, bytes.subarray(5, at), Buffer.from(this.prefix), bytes.subarray(at))
  }

  leave() {
    clearTimeout(this.timer)
    this.queue = []
    if (this.base === null) return
    this.base.clients.delete(this)
    this.base.waiting = this.base.waiting.filter((client) => client !== this)
    if (this.base.holder === this) {
      if (this.status !== "I") this.base.ask(query("ROLLBACK"))
      this.base.holder = null
    }
    if (this.base.clients.size === 0) this.base.clear()
    this.base.next()
  }
}

const server = createServer((socket) => new Client(socket))
server.listen(0, "127.0.0.1", () => console.log(server.address().port))
process.stdin.resume().on("end", () => process.exit(0))
