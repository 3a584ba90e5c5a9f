/** The user lacks a right. Inside a script each version says it in its own words, and none of them begins with NOPERM. */
export const LACKS_RIGHT = /^(NOPERM|ERR .*(ACL failure in script|The user executing the script))/

/** What takes the commands does not know one of them: a proxy, or a Redis with rename-command. The same. */
export const LACKS_COMMAND = /^ERR .*(unknown|unsupported) (redis )?command/i

/**
 * What Redis says, without the place in the script: in Redis 6.2 and KeyDB it goes before the refusal of a command inside,
 * such as `ERR Error running script (call to f_...): @user_script:35: @user_script: 35: -READONLY You can't write ...`.
 */
export function refusalText(message: string): string {
  return message.replace(
    /^ERR Error running script \(call to f_\w+\): @user_script:\d+: @user_script: \d+: -/,
    '',
  )
}
