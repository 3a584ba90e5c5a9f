#!/usr/bin/env bash
# iso20022.js 0.0.15: a transfer of 5,000 yen is written as 50 yen, and one of 12.345 Kuwaiti dinars as 123.45.
#
# Guess: the amount is a whole number of the smallest unit (1000 is 10 US dollars), and the smallest unit is that of the currency, by
#   ISO 4217: 5000 is 5,000 JPY, 12345 is 12.345 KWD.
# What happens: whatever the currency is, the amount is divided by 100. The yen, won and peso of Chile become a hundredth of what was
#   meant, the dinars of Kuwait and Tunisia ten times as much. The document is well formed and names the right currency; it has no
#   control sum. The README's own call, with an object, throws: version 0.0.15 takes the list alone.
# Why it matters: the payee gets 1 % or 1,000 % of the money; nothing in the document or the bank can see it.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts iso20022.js@0.0.15
cat >find.js <<'JS'
import { ISO20022 } from 'iso20022.js'

const iso20022 = new ISO20022({
  initiatingParty: {
    name: 'Acme', id: 'ACME', account: { accountNumber: '123456789012' }, agent: { bic: 'CHASUS33', bankAddress: { country: 'US' } },
  },
})
const creditor = {
  name: 'Jane Doe', account: { iban: 'DE89370400440532013000' }, agent: { bic: 'DEUTDEFF' },
  address: { streetName: 'Main Street', townName: 'Berlin', postalCode: '10115', country: 'DE' },
}
for (const [currency, amount] of [['USD', 1_000], ['EUR', 1_999], ['JPY', 5_000], ['KRW', 5_000], ['CLP', 5_000], ['KWD', 12_345], ['TND', 12_345]]) {
  const document = iso20022.createSWIFTCreditPaymentInitiation([{ type: 'swift', direction: 'credit', amount, currency, creditor }])
  const { minimumFractionDigits: digits } = new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions()
  const [, written] = document.toString().match(/<InstdAmt[^>]*>([^<]*)/)
  console.log(`${amount} ${currency}: written as ${written}, meant is ${(amount / 10 ** digits).toFixed(digits)}`)
}
JS
node find.js | tee output
diff output - <<'EXPECTED'
1000 USD: written as 10, meant is 10.00
1999 EUR: written as 19.99, meant is 19.99
5000 JPY: written as 50, meant is 5000
5000 KRW: written as 50, meant is 5000
5000 CLP: written as 50, meant is 5000
12345 KWD: written as 123.45, meant is 12.345
12345 TND: written as 123.45, meant is 12.345
EXPECTED
