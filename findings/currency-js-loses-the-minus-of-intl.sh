#!/usr/bin/env bash
# currency.js 2.0.4 reads a negative amount that Intl.NumberFormat wrote for Sweden, Norway or Finland as a positive one.
#
# Guess: currency('−12,50 €', { decimal: ',' }) is -12.5, or an error with `errorOnInvalid`.
# What happens: in at least eight languages Intl.NumberFormat writes the minus U+2212 instead of the hyphen U+002D. currency.js
#   knows the hyphen, at the beginning or after the symbol, and brackets; all else that is no digit it leaves out. The
#   result is +12.5, with `errorOnInvalid` too.
# Why it matters: a form or an import in Swedish, such as a CSV of refunds that another program has formatted, takes each refund
#   as a charge. Tests in English or German pass. Replace U+2212 before parsing.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts currency.js@2.0.4
cat >find.js <<'JS'
import currency from 'currency.js'

for (const language of ['en-GB', 'de-DE', 'da-DK', 'sv-SE', 'nb-NO', 'fi-FI', 'et-EE', 'lt-LT', 'sl-SI', 'hr-HR', 'eu-ES']) {
  const format = new Intl.NumberFormat(language, { style: 'currency', currency: 'EUR' })
  const parts = format.formatToParts(-12.5)
  const { value: minus } = parts.find(({ type }) => type === 'minusSign')
  const { value: decimal } = parts.find(({ type }) => type === 'decimal')
  const { value } = currency(format.format(-12.5), { decimal, errorOnInvalid: true })
  console.log(`${language}: minus U+${minus.charCodeAt(0).toString(16).padStart(4, '0')}, read as ${value}`)
}
console.log(`(12.50): ${currency('(12.50)').value}`)
JS
node find.js | tee output
diff output - <<'EXPECTED'
en-GB: minus U+002d, read as -12.5
de-DE: minus U+002d, read as -12.5
da-DK: minus U+002d, read as -12.5
sv-SE: minus U+2212, read as 12.5
nb-NO: minus U+2212, read as 12.5
fi-FI: minus U+2212, read as 12.5
et-EE: minus U+2212, read as 12.5
lt-LT: minus U+2212, read as 12.5
sl-SI: minus U+2212, read as 12.5
hr-HR: minus U+2212, read as 12.5
eu-ES: minus U+2212, read as 12.5
(12.50): -12.5
EXPECTED
