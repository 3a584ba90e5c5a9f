#!/usr/bin/env bash
# jpillora/backoff 1.0.0 (golang-github-jpillora-backoff-dev, Debian 12): with Jitter, late attempts all wait for exactly Max.
#
# Guess: Jitter "eases contention by randomizing backoff steps": each wait lies somewhere between Min and Max, also in a long outage.
# What happens: the wait is drawn between Min and the step before Max cuts it. Steps go on growing, so nearly all draws are above Max
#   and become Max to the nanosecond. With the defaults (0.1 to 10 seconds, factor 2) 2 of 10 draws are exactly 10 s at the eighth
#   attempt, 9 of 10 at the eleventh, and all at the 31st.
# Why it matters: jitter is wanted most in a long outage, and there it ends: all clients that were cut off together come again
#   together, every 10 seconds. A test looks at the first attempts, which are spread. Draw the wait yourself:
#   Min + rand * (d - Min), with a Backoff that has no Jitter.
# Needs apt-get of Debian 12 on amd64 or arm64; installs nothing outside a temporary folder. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q golang-1.19-go=1.19.8-2 golang-1.19-src=1.19.8-2 golang-github-jpillora-backoff-dev=1.0.0-1.1 2>&1 |
  grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

mkdir find
cat >find/main.go <<'GO'
package main

import (
	"fmt"
	"math"
	"time"

	"github.com/jpillora/backoff"
)

func main() {
	const draws = 10000
	b := &backoff.Backoff{Jitter: true}
	for _, attempt := range []float64{4, 8, 11, 31} {
		atMax := 0
		for i := 0; i < draws; i++ {
			if b.ForAttempt(attempt-1) == 10*time.Second {
				atMax++
			}
		}
		fmt.Printf("attempt %v: %.0f %% of the waits are exactly 10 s\n", attempt, math.Round(float64(atMax)*10/draws)*10)
	}
}
GO
export GOROOT="$folder/root/usr/lib/go-1.19" GOPATH="$folder/root/usr/share/gocode" GOCACHE="$folder/cache" GO111MODULE=off
"$GOROOT/bin/go" run ./find | tee output
diff output - <<'EXPECTED'
attempt 4: 0 % of the waits are exactly 10 s
attempt 8: 20 % of the waits are exactly 10 s
attempt 11: 90 % of the waits are exactly 10 s
attempt 31: 100 % of the waits are exactly 10 s
EXPECTED
