import assert from 'node:assert/strict'
import { ConfigError } from '../../src/config/setting.ts'

/** What reading the settings complains about, all of it in the message too; nothing, if it throws nothing. */
export function configFaults(read: () => unknown): readonly string[] {
  try {
    read()
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error))
    for (const fault of error.faults) assert.ok(error.message.includes(fault), fault)
    return error.faults
  }
  return []
}
