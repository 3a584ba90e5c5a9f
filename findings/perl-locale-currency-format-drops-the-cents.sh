#!/usr/bin/env bash
# liblocale-currency-format-perl 1.35 (Debian 12): amounts in dozens of currencies are rounded to whole units, 0.40 NGN becomes "0 NGN".
#
# Guess: currency_format() writes as many digits as ISO 4217 has for the currency, which the documentation refers to; a code that it
#   does not know returns undef.
# What happens: codes that have a name but no format in its table count as if they had no digits and no separators. 1234.56 NGN
#   becomes "1235 NGN", and so do GEL, KZT, LKR, MAD, QAR and the dinar of Libya, which has three digits. decimal_precision() is
#   undef for them. ISK, without digits since 2007, has two.
# Why it matters: an invoice in such a currency asks for another amount than is charged, and its lines do not add up. USD and EUR, of
#   which tests are made, are right. Look at decimal_precision(), and give the rest a format by currency_set().
# Needs apt-get of Debian 12, Perl, and Java 11 or newer, from which the digits of ISO 4217 are taken; installs nothing outside a
# temporary folder. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q liblocale-currency-format-perl=1.35-3 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

cat >Digits.java <<'JAVA'
import java.util.Currency;

public class Digits {
    public static void main(String[] args) {
        for (Currency currency : Currency.getAvailableCurrencies()) {
            System.out.println(currency.getCurrencyCode() + " " + currency.getDefaultFractionDigits());
        }
    }
}
JAVA
cat >find.pl <<'PL'
use strict;
use warnings;
use Locale::Currency::Format;

my (%digits, @lost);
while (<STDIN>) {
    my ($code, $digits) = split;
    $digits{$code} = $digits;
}
for my $code (sort keys %digits) {
    my $text = currency_format($code, 1234.56);
    push @lost, $code if $digits{$code} > 0 && defined $text && !decimal_precision($code);
}
print 'No digits, though ISO 4217 has some: ', @lost >= 50 ? 'over 50' : scalar @lost, " currencies\n";
print STDERR "@lost\n";
for my $code (qw(USD NGN GEL MAD QAR LYD ISK)) {
    my $precision = decimal_precision($code) // 'undef';
    print "ISO 4217: $digits{$code}, decimal_precision: $precision, ", join(', ', map { currency_format($code, $_) } 1234.56, 0.4), "\n";
}
PL
java Digits.java | perl -I root/usr/share/perl5 find.pl | tee output
diff output - <<'EXPECTED'
No digits, though ISO 4217 has some: over 50 currencies
ISO 4217: 2, decimal_precision: 2, 1,234.56 USD, 0.40 USD
ISO 4217: 2, decimal_precision: undef, 1235 NGN, 0 NGN
ISO 4217: 2, decimal_precision: undef, 1235 GEL, 0 GEL
ISO 4217: 2, decimal_precision: undef, 1235 MAD, 0 MAD
ISO 4217: 2, decimal_precision: undef, 1235 QAR, 0 QAR
ISO 4217: 3, decimal_precision: undef, 1235 LYD, 0 LYD
ISO 4217: 0, decimal_precision: 2, 1.234,56 ISK, 0,40 ISK
EXPECTED
