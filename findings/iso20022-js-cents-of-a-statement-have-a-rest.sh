#!/usr/bin/env bash
# iso20022.js 0.0.15: amounts of a camt.053 statement are no whole cents, a reversal is none, and texts of digits become numbers.
#
# Guess: amounts are read in the smallest unit, as they are written (19.99 is 1999); RvslInd tells a reversal; texts are texts.
# What happens: the amount is multiplied by 100 in floating point: 19.99 is 1998.9999999999998, 0.29 is 28.999999999999996. 271 of the
#   amounts up to 20.00 are like that. Yen are multiplied as well. `reversal` is false for <RvslInd>true</RvslInd>, since
#   the parser has made a boolean of it and it is compared with 'true'. And remittance information of digits becomes a number, which
#   has no zeros in front; in a text with other characters, or a very long one, they stay.
# Why it matters: amount === order.amount is false for one payment of seven. A returned payment (a reversal) is booked as a payment. An invoice
#   is not found by its number.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts iso20022.js@0.0.15
cat >find.js <<'JS'
import { CashManagementEndOfDayReport } from 'iso20022.js'

function read({ amount = '1.00', currency = 'EUR', reversal = '', text = 'Invoice' }) {
  const { entries: [entry], transactions: [transaction] } = CashManagementEndOfDayReport.fromXML(`<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"><BkToCstmrStmt>
  <GrpHdr><MsgId>M-1</MsgId><CreDtTm>2026-11-30T23:00:00</CreDtTm></GrpHdr>
  <Stmt><Id>S-1</Id><ElctrncSeqNb>1</ElctrncSeqNb><CreDtTm>2026-11-30T23:00:00</CreDtTm>
    <Acct><Id><IBAN>DE89370400440532013000</IBAN></Id><Svcr><FinInstnId><BIC>DEUTDEFF</BIC></FinInstnId></Svcr></Acct>
    <Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="${currency}">100</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-30</Dt></Dt></Bal>
    <Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="${currency}">100</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-30</Dt></Dt></Bal>
    <Ntry><Amt Ccy="${currency}">${amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd>${reversal && `<RvslInd>${reversal}</RvslInd>`}<Sts>BOOK</Sts>
      <BookgDt><Dt>2026-11-30</Dt></BookgDt><BkTxCd><Prtry><Cd>1</Cd></Prtry></BkTxCd>
      <NtryDtls><TxDtls><RmtInf><Ustrd>${text}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
  </Stmt></BkToCstmrStmt></Document>`)
  return { ...entry, text: transaction.remittanceInformation }
}
for (const [amount, currency] of [['10.10', 'EUR'], ['19.99', 'EUR'], ['0.29', 'EUR'], ['64.10', 'EUR'], ['5000', 'JPY']]) {
  console.log(`${amount} ${currency} is ${read({ amount, currency }).amount}`)
}
let wrong = 0
for (let cents = 1; cents <= 2_000; cents++) if (read({ amount: (cents / 100).toFixed(2) }).amount !== cents) wrong++
console.log(`${wrong} of the amounts from 0.01 to 20.00 are no whole cents`)
for (const reversal of ['true', 'false']) console.log(`RvslInd ${reversal} is ${read({ reversal }).reversal}`)
for (const text of ['Invoice 0012345', '0012345', '12345678901234567890']) console.log(`'${text}' is ${JSON.stringify(read({ text }).text)}`)
JS
node find.js | tee output
diff output - <<'EXPECTED'
10.10 EUR is 1010
19.99 EUR is 1998.9999999999998
0.29 EUR is 28.999999999999996
64.10 EUR is 6409.999999999999
5000 JPY is 500000
271 of the amounts from 0.01 to 20.00 are no whole cents
RvslInd true is false
RvslInd false is false
'Invoice 0012345' is "Invoice 0012345"
'0012345' is 12345
'12345678901234567890' is "12345678901234567890"
EXPECTED
