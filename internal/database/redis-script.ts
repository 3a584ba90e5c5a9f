import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** A Lua script by its text; every key it touches is given in KEYS and all of them share one hash tag. */
export interface RedisScript {
  readonly lua: string
  /** Lowercase hex SHA-1 of the text: what EVALSHA wants. */
  readonly sha: string
}

/** What a script is called with. */
export interface ScriptCall {
  keys: readonly string[]
  args: readonly (string | number | Buffer)[]
}

/**
 * The script of a file, made so that one command can carry any number of its calls: see `callAll`. The file returns a
 * function of KEYS and ARGV; what it makes before that, it makes once for a command.
 */
export function loadScript(file: URL): RedisScript {
  const lua = ofMany(readFileSync(file, 'utf8'))
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}

/** The clock of Redis, which stands still while a command runs. */
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
 * ARGV     number of the command, number of calls, and for each of them: number of keys, number of arguments, arguments
 * answers  number of the command, and one answer for each call, in their order
 */
function ofMany(lua: string): string {
  return `${CLOCK}
local one = (function()
${lua}
end)()
local answers, key, argument = {}, 1, 3
for i = 1, tonumber(ARGV[2]) do
  local keys, arguments = tonumber(ARGV[argument]), tonumber(ARGV[argument + 1])
  answers[i] = one({unpack(KEYS, key, key + keys - 1)}, {unpack(ARGV, argument + 2, argument + 1 + arguments)})
  key, argument = key + keys, argument + 2 + arguments
end
return {tonumber(ARGV[1]), answers}
`
}

/** The keys and arguments of one command, of this number, that carries all these calls. */
export function callAll(
  command: number,
  calls: readonly ScriptCall[],
): {
  keys: string[]
  args: (string | number | Buffer)[]
} {
  const keys: string[] = []
  const args: (string | number | Buffer)[] = [command, calls.length]
  for (const call of calls) {
    keys.push(...call.keys)
    args.push(call.keys.length, call.args.length, ...call.args)
  }
  return { keys, args }
}

/** The answers to this command; undefined: the reply is that of another one. */
export function answersOf(command: number, reply: unknown): readonly unknown[] | undefined {
  if (!Array.isArray(reply)) return undefined
  const [number, answers] = reply
  return number === command && Array.isArray(answers) ? answers : undefined
}
