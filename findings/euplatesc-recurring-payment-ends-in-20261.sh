#!/usr/bin/env bash
# euplatesc 1.0.5 (Romania): without an end a recurring payment ends in the year 20261, and a link of New Year's Eve may live a year longer.
#
# Guess: without frequency.expiresAt the recurring payment ends a year from now, as YYYYMMDD. valability is a Date, the moment until
#   which the customer can pay, sent as YYYYMMDDHHMMSS in the time of Romania (README). The amount has two decimals.
# What happens: the year is a text, and '2026' + 1 is '20261': recurent_exp has nine digits. Of valability the year is that of the
#   time zone of the machine and all the rest is UTC. So each link ends two or three hours early in Romania; in Bucharest the first
#   two hours of a year are sent as December of the new year, a year too late, and in New York the last five hours of a year in UTC as
#   January of the old one. The amount is written as JavaScript does: 20, 19.9 and 0.30000000000000004. All this is signed, so that
#   the bank gets it as it is.
# Why it matters: a subscription is refused or does not end, and an offer of New Year's Eve can be paid for a year more, or not at
#   all, depending on TZ of the container. Give expiresAt, round the amount, and add the offset of Romania to valability in UTC.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts euplatesc@1.0.5
cat >find.js <<'JS'
const { EuPlatesc } = require('euplatesc')

const client = new EuPlatesc({ merchantId: 'shop', secretKey: '00112233445566778899AABBCCDDEEFF' })
function sent(fields) {
  const { paymentUrl } = client.paymentUrl({ amount: 10, currency: 'RON', invoiceId: '1', orderDescription: 'Order', ...fields })
  return Object.fromEntries(new URL(paymentUrl).searchParams)
}
const zone = process.env.TZ
for (const time of ['2026-12-31T21:30:00Z', '2026-12-31T22:30:00Z', '2027-01-01T04:30:00Z']) {
  console.log(`TZ=${zone}: valid until ${time}: ${sent({ valability: new Date(time) }).valability}`)
}
if (zone === 'UTC') {
  const { recurent_exp: end } = sent({ frequency: { days: 30 } })
  const year = String(new Date().getUTCFullYear())
  console.log(`recurring without an end: ${end.length} digits, it begins with ${end.startsWith(`${year}1`) ? 'this year and a 1' : end.slice(0, 4)}`)
  console.log(`recurring until 2027-11-30: ${sent({ frequency: { days: 30, expiresAt: new Date('2027-11-30') } }).recurent_exp}`)
  console.log(`amounts: ${[20, 19.9, 0.1 + 0.2].map((amount) => sent({ amount }).amount).join(', ')}`)
}
JS
for zone in UTC Europe/Bucharest America/New_York; do TZ=$zone node find.js; done | tee output
diff output - <<'EXPECTED'
TZ=UTC: valid until 2026-12-31T21:30:00Z: 20261231213000
TZ=UTC: valid until 2026-12-31T22:30:00Z: 20261231223000
TZ=UTC: valid until 2027-01-01T04:30:00Z: 20270101043000
recurring without an end: 9 digits, it begins with this year and a 1
recurring until 2027-11-30: 20271130
amounts: 20, 19.9, 0.30000000000000004
TZ=Europe/Bucharest: valid until 2026-12-31T21:30:00Z: 20261231213000
TZ=Europe/Bucharest: valid until 2026-12-31T22:30:00Z: 20271231223000
TZ=Europe/Bucharest: valid until 2027-01-01T04:30:00Z: 20270101043000
TZ=America/New_York: valid until 2026-12-31T21:30:00Z: 20261231213000
TZ=America/New_York: valid until 2026-12-31T22:30:00Z: 20261231223000
TZ=America/New_York: valid until 2027-01-01T04:30:00Z: 20260101043000
EXPECTED
