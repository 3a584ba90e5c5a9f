#!/usr/bin/env bash
# Rican7/retry 0.3.1 (golang-github-rican7-retry-dev, Debian 12): Exponential cuts the power, so with a base below 2 waits do not grow.
#
# Guess: backoff.Exponential(100ms, 1.2) waits for 120, 144, 173 and 207 ms: 100 ms times a power of the base, which is a float64.
# What happens: the power is cut to a whole number before it is multiplied. With base 1.2 the first three waits are 100 ms, then
#   comes 200 ms; with 1.1 the first seven are 100 ms. With 1.5 they are 100, 200, 300, 500 and 700 instead of 150, 225, 337, 506
#   and 759. Base 2 is right.
# Why it matters: bases below 2 are taken for long outages with many attempts. Clients send twice as often as was planned, and wait
#   in equal steps. Use base 2, or write an Algorithm of your own.
# Needs apt-get of Debian 12 on amd64 or arm64; installs nothing outside a temporary folder. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q golang-1.19-go=1.19.8-2 golang-1.19-src=1.19.8-2 golang-github-rican7-retry-dev=0.3.1-2 2>&1 |
  grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

mkdir find
cat >find/main.go <<'GO'
package main

import (
	"fmt"
	"time"

	"github.com/Rican7/retry/backoff"
)

func main() {
	for _, base := range []float64{1.1, 1.2, 1.5, 2} {
		wait := backoff.Exponential(100*time.Millisecond, base)
		fmt.Printf("base %v:", base)
		for attempt := uint(1); attempt <= 8; attempt++ {
			fmt.Printf(" %d", wait(attempt).Milliseconds())
		}
		fmt.Println(" ms")
	}
}
GO
export GOROOT="$folder/root/usr/lib/go-1.19" GOPATH="$folder/root/usr/share/gocode" GOCACHE="$folder/cache" GO111MODULE=off
"$GOROOT/bin/go" run ./find | tee output
diff output - <<'EXPECTED'
base 1.1: 100 100 100 100 100 100 100 200 ms
base 1.2: 100 100 100 200 200 200 300 400 ms
base 1.5: 100 200 300 500 700 1100 1700 2500 ms
base 2: 200 400 800 1600 3200 6400 12800 25600 ms
EXPECTED
