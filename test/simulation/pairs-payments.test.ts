import { testSinglesAndPairs } from './pairs.ts'

testSinglesAndPairs('payments')
