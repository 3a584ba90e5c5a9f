import { errorMessage } from '../../internal/core/error-message.ts'

/** Options as parseArgs() gives them. */
export type Given = Readonly<Record<string, string | boolean | undefined>>

/** The value of an option; undefined: it was not given. Throws an Error that names the option and shows its text. */
export function readOption<T>(name: string, text: string, parse: (text: string) => T): T
export function readOption<T>(name: string, text: Given[string], parse: (text: string) => T): T | undefined
export function readOption<T>(name: string, text: Given[string], parse: (text: string) => T): T | undefined {
  if (typeof text !== 'string') return undefined
  try {
    return parse(text)
  } catch (error) {
    throw new Error(`--${name} ${text}: ${errorMessage(error)}`)
  }
}
