/** Whether this is the slow tier, in which nothing is sampled: test.sh sets it. */
export const isFull = process.env.TEST_FULL === 'yes'
