import { testSinglesAndPairs } from './pairs.ts'

testSinglesAndPairs('sidecar')
testSinglesAndPairs('sidecar with lookup')
