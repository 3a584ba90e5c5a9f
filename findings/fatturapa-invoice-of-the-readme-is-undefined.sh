#!/usr/bin/env bash
# @digitalia/fatturapa 1.3.1 (Italy): fpa2js of the README gives undefined, fpa2xml writes an element for each character, and & stays as it is.
#
# Guess: fpa2js(xml, { validate: false, valuesOnly: false }) gives the invoice, and validate: true checks it before. fpa2xml turns the
#   JSON text of fpa2json back into the XML. A text with & is escaped. DettaglioLinee is a list, as an invoice may have many lines.
# What happens: fpa2js has a result only with valuesOnly: true; without it it is undefined, and with validate: true it throws for each
#   invoice that is correct. fpa2xml takes a JSON text for an object of characters: <0>{</0><1>"</1>. An object works, but "A & B" is
#   written as it is, which is no XML, and read it is "A &amp; B". One line is an object, two are a list.
# Why it matters: an invoice is stored as nothing, or written as hundreds of elements, and neither gives an error. The sum over the
#   lines of an invoice with one line fails. Use valuesOnly, pass objects, escape the texts, and make lists of single lines.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @digitalia/fatturapa@1.3.1
cat >find.js <<'JS'
const { fpa2js, fpa2json, fpa2xml } = require('@digitalia/fatturapa')

const line = (number) => `<DettaglioLinee><NumeroLinea>${number}</NumeroLinea><PrezzoTotale>50.00</PrezzoTotale></DettaglioLinee>`
const invoice = (lines) => '<?xml version="1.0" encoding="UTF-8"?><p:FatturaElettronica versione="FPR12"><FatturaElettronicaHeader>'
  + '<Denominazione>A &amp; B</Denominazione><CAP>00184</CAP></FatturaElettronicaHeader>'
  + `<FatturaElettronicaBody>${lines}</FatturaElettronicaBody></p:FatturaElettronica>`
function show(name, call) {
  try {
    const result = call()
    const text = typeof result === 'string' ? result : JSON.stringify(result)
    console.log(`${name}: ${text}`)
  } catch (error) {
    console.log(`${name}: ${error.name}: ${error.message}`)
  }
}
const one = invoice(line(1))
const parsed = (xml) => fpa2js(xml, { validate: false, valuesOnly: true })
show('fpa2js', () => fpa2js(one))
show('fpa2js as in the README', () => fpa2js(one, { validate: false, valuesOnly: false }))
show('fpa2js, validate', () => fpa2js(one, { validate: true }))
show('fpa2js, valuesOnly', () => parsed(one).FatturaElettronicaHeader)
show('one line', () => parsed(one).FatturaElettronicaBody.DettaglioLinee)
show('two lines', () => parsed(invoice(line(1) + line(2))).FatturaElettronicaBody.DettaglioLinee)
show('fpa2xml of the JSON text', () => fpa2xml(fpa2json(one)).slice(38, 100))
show('fpa2xml of an object', () => fpa2xml({ Denominazione: 'A & B' }).slice(38))
JS
node find.js | tee output
diff output - <<'EXPECTED'
fpa2js: undefined
fpa2js as in the README: undefined
fpa2js, validate: TypeError: Cannot read properties of undefined (reading 'replace')
fpa2js, valuesOnly: {"Denominazione":"A &amp; B","CAP":"00184"}
one line: {"NumeroLinea":"1","PrezzoTotale":"50.00"}
two lines: [{"NumeroLinea":"1","PrezzoTotale":"50.00"},{"NumeroLinea":"2","PrezzoTotale":"50.00"}]
fpa2xml of the JSON text: <0>{</0><1>"</1><2>p</2><3>:</3><4>F</4><5>a</5><6>t</6><7>t</
fpa2xml of an object: <Denominazione>A & B</Denominazione>
EXPECTED
