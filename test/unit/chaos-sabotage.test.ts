import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { patched } from '../chaos/build-mutant.ts'
import { applies } from '../chaos/fault-kinds.ts'
import { SABOTAGES } from '../chaos/sabotages.ts'

describe('the bugs that chaos runs must find', () => {
  test('are at least 15', () => {
    assert.ok(Object.keys(SABOTAGES).length >= 15)
  })

  for (const [name, { patches, mode, store, faults }] of Object.entries(SABOTAGES)) {
    test(`${name} can be planted into the product as it is`, () => {
      for (const file of new Set(patches.map((one) => one.file))) {
        assert.ok(
          patched(
            file,
            patches.filter((one) => one.file === file),
          ) !== '',
        )
      }
      for (const kind of faults) assert.ok(applies(kind, mode, store), kind)
    })
  }
})
