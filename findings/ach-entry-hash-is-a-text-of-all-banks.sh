#!/usr/bin/env bash
# @ach/ach 1.1.0: from the second entry on the entry hash of an ACH file is wrong, and a file of ten lines gets ten more.
#
# Guess: the entry hash of batch and file is the sum of the first eight digits of each receiving bank, as NACHA says, and the file is
#   filled with lines of nines up to the next ten.
# What happens: the digits are texts, and 0 + '02100002' is '002100002': each further bank is written behind it. The field holds the
#   last ten digits of this text, that is the last bank with two digits of the one before. With one entry it is right. A file whose
#   lines are a multiple of ten gets ten lines of nines more, which the block count does not count. And the default of effectiveDate,
#   tomorrow, is a number and throws.
# Why it matters: the bank refuses the whole file for its hash, when the second customer comes; a test with one payment passes. Sum
#   the banks yourself and set entryHash of each batch footer and of the file footer before it is written.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @ach/ach@1.1.0
cat >find.js <<'JS'
const ach = require('@ach/ach')()

const BANKS = ['021000021', '081000032', '011401533', '091000019', '121000358', '111000025']
function make(count, batchData = { effectiveDate: '261201' }) {
  let file = ach.create({ from: { name: 'Shop', fein: '123456789' }, for: { name: 'Bank', routing: '081000032' } }).ccd({ description: 'Payment', ...batchData })
  for (let i = 0; i < count; i++) {
    const routing = BANKS[i]
    file = file.credit({ to: { name: `Customer ${i}`, routing, dfi: routing.slice(0, 8), account: { num: `1357${i}`, type: 'C' } }, amount: 12_345 })
  }
  return file.object
}
async function written(object) {
  const formatter = ach.getFormatter('ach')
  formatter.end(object)
  return (await formatter.toArray()).join('').trimEnd().split('\n')
}
async function main() {
  for (const count of [1, 2, 3, 5, 6]) {
    const lines = await written(make(count))
    const records = lines.filter((line) => !/^9{94}$/.test(line))
    const [control] = records.slice(-1)
    const sum = BANKS.slice(0, count).reduce((total, routing) => total + Number(routing.slice(0, 8)), 0)
    console.log(`${count} entries: entry hash ${control.slice(21, 31)}, sum of the banks ${String(sum).padStart(10, '0')}; ${records.length} records, ${lines.length} lines, ${Number(control.slice(7, 13))} blocks`)
  }
  try {
    make(1, {})
  } catch (error) {
    console.log(`without effectiveDate: ${error.message}`)
  }
}
main()
JS
node find.js | tee output
diff output - <<'EXPECTED'
1 entries: entry hash 0002100002, sum of the banks 0002100002; 5 records, 10 lines, 1 blocks
2 entries: entry hash 0208100003, sum of the banks 0010200005; 6 records, 10 lines, 1 blocks
3 entries: entry hash 0301140153, sum of the banks 0011340158; 7 records, 10 lines, 1 blocks
5 entries: entry hash 0112100035, sum of the banks 0032540194; 9 records, 10 lines, 1 blocks
6 entries: entry hash 3511100002, sum of the banks 0043640196; 10 records, 20 lines, 1 blocks
without effectiveDate: date.getFullYear is not a function
EXPECTED
