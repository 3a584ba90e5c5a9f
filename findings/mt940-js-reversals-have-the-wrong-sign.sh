#!/usr/bin/env bash
# mt940-js 1.0.0: the reversal of a credit is a credit, that of a debit is no credit, and short bank references are lost.
#
# Guess: in tag 61 the mark RC is the reversal of a credit, which takes money off the account, and RD the reversal of a debit, which
#   brings it; isCredit tells which. The reference of the bank is what follows `//`.
# What happens: isCredit is true for C and RC and false for D and RD, and nothing else tells a reversal. The sum of the lines then is not
#   the difference of the balances in the same statement. The amount has no sign. And bankReference is set only if it has exactly
#   16 characters, where the format allows one to 16.
# Why it matters: a returned direct debit (RC) is booked as a second payment. Compare the sum with the balances.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts mt940-js@1.0.0 tslib@2.8.1
cat >find.js <<'JS'
const { read } = require('mt940-js')

const lines = [
  ':20:STATEMENT', ':25:10020030/1234567', ':28C:1/1', ':60F:C261130EUR1000,00',
  ':61:2611301130C50,00NDDTNONREF//1234567890123456', ':86:direct debit collected',
  ':61:2611301130RC50,00NRTINONREF//123456789012345', ':86:direct debit returned',
  ':61:2611301130D8,00NCHGNONREF//BANK-2', ':86:fee',
  ':61:2611301130RD8,00NCHGNONREF//X1', ':86:fee given back',
  ':62F:C261130EUR1000,00', '-',
]
read(Buffer.from(`${lines.join('\r\n')}\r\n`)).then(([{ transactions, openingBalance, closingBalance }]) => {
  let sum = 0
  for (const { description, isCredit, amount, bankReference } of transactions) {
    sum += isCredit ? amount : -amount
    console.log(`${description}: ${amount}, isCredit ${isCredit}, reference '${bankReference}'`)
  }
  console.log(`Sum of the lines ${sum}, difference of the balances ${closingBalance.value - openingBalance.value}`)
})
JS
node find.js | tee output
diff output - <<'EXPECTED'
direct debit collected: 50, isCredit true, reference '1234567890123456'
direct debit returned: 50, isCredit true, reference ''
fee: 8, isCredit false, reference ''
fee given back: 8, isCredit false, reference ''
Sum of the lines 84, difference of the balances 0
EXPECTED
