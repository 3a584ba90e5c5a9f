#!/usr/bin/env bash
# retry 2.0.0 for Rust (librust-retry-dev, Debian 12): jitter() leaves a second as it is, and gives whole seconds for whole seconds.
#
# Guess: "apply full random jitter to a duration": a wait that is spread evenly between 0 and the duration.
# What happens: seconds and nanoseconds are drawn apart, and the seconds are rounded up. 10,000 draws of 1 s give 1 s, 10,000 times. Of
#   2 s they give 1 s or 2 s and nothing else, of 3 s three values, of 1.5 s something between 1 and 1.5 s. A wait of a second or more
#   never becomes one below a second. Only below a second it is as described.
# Why it matters: a common delay is one second, and jitter is there so that clients that failed together do not come again together.
#   They do, to the nanosecond. Tests take milliseconds, for which all is well. Give it 999 ms instead of 1 s, or draw yourself.
# Needs Rust 1.66 or newer with cargo and a C linker, and apt-get of Debian 12; installs nothing outside a temporary folder. Fails
# when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q librust-retry-dev=2.0.0-3 librust-rand-dev librust-rand-core-dev librust-rand-chacha-dev librust-ppv-lite86-dev \
  librust-getrandom-dev librust-cfg-if-dev librust-libc-dev 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

mkdir -p find/src find/.cargo
cat >find/.cargo/config.toml <<TOML
[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "$folder/root/usr/share/cargo/registry"
TOML
cat >find/Cargo.toml <<'TOML'
[package]
name = "find"
version = "0.1.0"
edition = "2021"

[dependencies]
retry = "=2.0.0"
TOML
cat >find/src/main.rs <<'RUST'
use retry::delay::jitter;
use std::collections::BTreeSet;
use std::time::Duration;

fn main() {
    for ms in [900, 1_000, 1_500, 2_000, 3_000] {
        let draws: BTreeSet<Duration> = (0..10_000).map(|_| jitter(Duration::from_millis(ms))).collect();
        let values = if draws.len() > 1_000 { "over 1,000".to_string() } else { draws.len().to_string() };
        let (low, high) = (draws.first().unwrap(), draws.last().unwrap());
        println!("{ms} ms: {values} values, {:.1} to {:.1} s", low.as_secs_f64(), high.as_secs_f64());
    }
}
RUST
(cd find && CARGO_HOME="$folder/cargo" CARGO_TARGET_DIR="$folder/target" cargo run -q --offline) | tee output
diff output - <<'EXPECTED'
900 ms: over 1,000 values, 0.0 to 0.9 s
1000 ms: 1 values, 1.0 to 1.0 s
1500 ms: over 1,000 values, 1.0 to 1.5 s
2000 ms: 2 values, 1.0 to 2.0 s
3000 ms: 3 values, 1.0 to 3.0 s
EXPECTED
