import { isAscii } from 'node:buffer'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** A Lua script. All keys that a call uses are in KEYS and have the same hash tag. */
export interface RedisScript {
  readonly lua: string
  /** The lowercase hex SHA-1 of the text, for EVALSHA. */
  readonly sha: string
}

/** The keys and arguments of one call. */
export interface ScriptCall {
  keys: readonly string[]
  args: readonly (string | number | Buffer)[]
}

/**
 * Loads the script of a file and wraps it, so that one command can carry any number of calls; see `callAll`. The file must
 * return a function of KEYS and ARGV; its other code runs once for each command. The function returns a number, a text, or
 * a list of them. A text that may not be UTF-8 is returned as `bytes(text)`, at the top level of the list.
 */
export function loadScript(file: URL): RedisScript {
  const lua = ofMany(readFileSync(file, 'utf8'))
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}

/** The clock of Redis, read once for each command. */
const CLOCK = `local time_us
local function now_us()
  if not time_us then
    local time = redis.call('TIME')
    time_us = time[1] * 1000000 + time[2]
  end
  return time_us
end
local function now_ms() return math.floor(now_us() / 1000) end`

/**
 * ARGV      the number of the command; its calls as a JSON list (for each call: the number of its keys, the number of its
 *           arguments, and the arguments, each a text or, if it is binary, its index in ARGV); the binary arguments
 * Returns   the number of the command; the responses as JSON, one for each call, in order; the binary values
 *
 * JSON, because each argument and each element of a response costs Redis, and even more the client, more than JSON does.
 */
function ofMany(lua: string): string {
  return `${CLOCK}
local binaries = {}
local function bytes(text)
  binaries[#binaries + 1] = text
  return {bytes = #binaries}
end
local one = (function()
${lua}
end)()
local answers, calls, key, argument = {}, cjson.decode(ARGV[2]), 1, 1
while calls[argument] do
  local keys, arguments = calls[argument], calls[argument + 1]
  local given = {unpack(calls, argument + 2, argument + 1 + arguments)}
  for i = 1, arguments do
    if type(given[i]) == 'number' then given[i] = ARGV[given[i]] end
  end
  answers[#answers + 1] = one({unpack(KEYS, key, key + keys - 1)}, given)
  key, argument = key + keys, argument + 2 + arguments
end
return {tonumber(ARGV[1]), cjson.encode(answers), unpack(binaries)}
`
}

/** The keys and arguments of one command with this number and all these calls. */
export function callAll(
  command: number,
  calls: readonly ScriptCall[],
): {
  keys: string[]
  args: (string | number | Buffer)[]
} {
  const keys: string[] = []
  const args: (string | number | Buffer)[] = [command, '']
  const packed: (string | number)[] = []
  for (const call of calls) {
    keys.push(...call.keys)
    packed.push(call.keys.length, call.args.length)
    for (const arg of call.args) {
      if (!(arg instanceof Buffer)) packed.push(String(arg))
      // ASCII as a string: with a Buffer among its arguments ioredis copies the whole command twice.
      else packed.push(args.push(isAscii(arg) ? arg.toString('latin1') : arg))
    }
  }
  args[1] = JSON.stringify(packed)
  return { keys, args }
}

/** The responses to this command; undefined if the reply belongs to another command. */
export function responsesOf(command: number, reply: unknown): readonly unknown[] | undefined {
  if (!Array.isArray(reply)) return undefined
  const [number, json, ...binaries]: unknown[] = reply
  if (number !== command || !(json instanceof Buffer)) return undefined
  const responses: unknown = JSON.parse(json.toString())
  if (!Array.isArray(responses)) return undefined
  if (binaries.length === 0) return responses
  return responses.map((response) =>
    Array.isArray(response) ? response.map((part) => unpacked(part, binaries)) : response,
  )
}

function unpacked(part: unknown, binaries: readonly unknown[]): unknown {
  if (typeof part !== 'object' || part === null || !('bytes' in part)) return part
  return binaries[Number(part.bytes) - 1]
}
