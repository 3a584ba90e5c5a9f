#!/usr/bin/env bash
# money-math 2.6.3: products and quotients of negative amounts are up to two cents too small, and may change their sign.
#
# Guess: the tax of a refund is that of the sale with a minus, apart from half cents at most.
# What happens: the remainder is compared without its sign, and then a cent is added, also to a negative amount, which
#   brings it nearer to zero instead of away from it. 19 % of -10.10 are -1.90, where 19 % of 10.10 are 1.92. 19 % of -0.05
#   are +0.01.
# Why it matters: a refund in full, line by line, does not balance with its sale, and nothing fails. Compute with the
#   absolute amount, and put the minus in front afterwards.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts money-math@2.6.3
cat >find.js <<'JS'
import money from 'money-math'

for (const amount of ['10.10', '12.34', '0.05']) {
  const [sale, refund] = [amount, `-${amount}`].map((each) => money.mul(each, '0.19'))
  const [third, back] = [amount, `-${amount}`].map((each) => money.div(each, '3.00'))
  console.log(`${amount}: 19 % are ${sale}, of -${amount} ${refund}; a third is ${third}, of -${amount} ${back}`)
}
JS
node find.js | tee output
diff output - <<'EXPECTED'
10.10: 19 % are 1.92, of -10.10 -1.90; a third is 3.37, of -10.10 -3.35
12.34: 19 % are 2.34, of -12.34 -2.34; a third is 4.11, of -12.34 -4.11
0.05: 19 % are 0.01, of -0.05 0.01; a third is 0.02, of -0.05 0.00
EXPECTED
