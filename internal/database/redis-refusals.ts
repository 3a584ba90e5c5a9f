/** The user lacks a right. Inside a script, the text differs between versions and does not start with NOPERM. */
export const LACKS_RIGHT = /^(NOPERM|ERR .*(ACL failure in script|The user executing the script))/

/** The server does not support a command: it is a proxy, or a Redis with rename-command. The same inside a script. */
export const LACKS_COMMAND = /^ERR .*(unknown|unsupported) (redis )?command/i

/**
 * The error text without the position in the script, which Redis 6.2 and KeyDB put before the error of a command, such as
 * `ERR Error running script (call to f_...): @user_script:35: @user_script: 35: -READONLY You can't write ...`.
 */
export function refusalText(message: string): string {
  return message.replace(
    /^ERR Error running script \(call to f_\w+\): @user_script:\d+: @user_script: \d+: -/,
    '',
  )
}
