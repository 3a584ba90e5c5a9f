import { testSinglesAndPairs } from './pairs.ts'

testSinglesAndPairs('orders in rows')
