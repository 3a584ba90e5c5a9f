#!/usr/bin/env bash
# @midlandsbank/node-nacha 0.4.0: a file whose lines fill its blocks gets a block of nines that it does not count.
#
# Guess: a NACHA file is filled with lines of nines until the number of lines is a multiple of ten, and the file control record
#   (columns 8 to 13) has the number of blocks.
# What happens: where the number is a multiple of ten already, ten lines are added: 20 lines, and a block count of 1. That is so for six
#   payments in one batch, for 16, 26 and so on, one file of ten. All other numbers are right.
# Why it matters: the receiving bank compares the count with the lines and refuses the whole file, so that nobody is paid that day; the
#   file of the day before, with one payment more, was accepted.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @midlandsbank/node-nacha@0.4.0
cat >find.js <<'JS'
const nacha = require('@midlandsbank/node-nacha')

const from = { name: 'Your Company', fein: '123456789' }
const bank = { name: 'Our Bank', routing: '081000032' }
const payment = (index) => ({ name: `User ${index}`, account: { num: `10${index}`, type: 'C' }, routing: '081000210', amount: 100 })
for (const payments of [5, 6, 7, 16]) {
  let file = nacha.create({ from, for: bank }).ppd({ effectiveDate: '261201', description: 'Payroll' })
  for (let index = 1; index <= payments; index++) file = file.credit(payment(index))
  const lines = nacha.from(file).to('ach').split('\n')
  const control = lines.find((line) => line.startsWith('9') && !/^9+$/.test(line))
  console.log(`${payments} payments: ${lines.length} lines, block count ${Number(control.slice(7, 13))}`)
}
JS
node find.js | tee output
diff output - <<'EXPECTED'
5 payments: 10 lines, block count 1
6 payments: 20 lines, block count 1
7 payments: 20 lines, block count 2
16 payments: 30 lines, block count 2
EXPECTED
