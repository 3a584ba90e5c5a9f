#!/usr/bin/env bash
# backoff 0.4.0 for Rust (librust-backoff-dev, Debian 12): with retry_after a call is repeated for ever, max_elapsed_time or not.
#
# Guess: Error::retry_after(error, duration) sets the next wait, as a server said in Retry-After. max_elapsed_time, 15 minutes by
#   default, ends the retries as always, and so does the Stop policy ("never retry").
# What happens: while an error brings its own wait the policy is not asked, and it alone looks at the time. With max_elapsed_time of
#   half a second a call that fails with retry_after of 20 ms is made 100 times, until the test gives in. Even Stop does not
#   stop. Without retry_after both end as described.
# Why it matters: a server that refuses with 429 or 503 and Retry-After for a day, as one that is shut down or a spent quota
#   does, holds the task and what it has in hand for a day. Count the attempts, and return Error::Permanent.
# Needs Rust 1.66 or newer with cargo and a C linker, and apt-get of Debian 12; installs nothing outside a temporary folder. Fails
# when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q librust-backoff-dev=0.4.0-3 librust-instant-dev librust-rand-dev librust-rand-core-dev librust-rand-chacha-dev \
  librust-ppv-lite86-dev librust-getrandom-dev librust-cfg-if-dev librust-libc-dev 2>&1 | grep -v '^Get' >&2 || true
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
backoff = "=0.4.0"
TOML
cat >find/src/main.rs <<'RUST'
use backoff::backoff::{Backoff, Stop};
use backoff::{retry, Error, ExponentialBackoffBuilder};
use std::time::{Duration, Instant};

fn run(name: &str, policy: impl Backoff, retry_after: bool) {
    let mut calls = 0;
    let begun = Instant::now();
    let result: Result<(), _> = retry(policy, || {
        calls += 1;
        Err(if calls == 100 {
            Error::permanent("the test ends")
        } else if retry_after {
            Error::retry_after("busy", Duration::from_millis(20))
        } else {
            Error::transient("busy")
        })
    });
    let late = if begun.elapsed() > Duration::from_millis(1_500) { "after over 1.5 s" } else { "in time" };
    let count = if calls > 1 && calls < 100 { "some".to_string() } else { calls.to_string() };
    println!("{name}: {}, {count} calls, {late}", result.unwrap_err());
}

fn main() {
    for retry_after in [false, true] {
        let name = if retry_after { "with retry_after" } else { "without retry_after" };
        let half_a_second = ExponentialBackoffBuilder::new()
            .with_initial_interval(Duration::from_millis(20))
            .with_max_elapsed_time(Some(Duration::from_millis(500)))
            .build();
        run(&format!("{name}, at most 0.5 s"), half_a_second, retry_after);
        run(&format!("{name}, Stop"), Stop {}, retry_after);
    }
}
RUST
(cd find && CARGO_HOME="$folder/cargo" CARGO_TARGET_DIR="$folder/target" cargo run -q --offline) | tee output
diff output - <<'EXPECTED'
without retry_after, at most 0.5 s: busy, some calls, in time
without retry_after, Stop: busy, 1 calls, in time
with retry_after, at most 0.5 s: the test ends, 100 calls, after over 1.5 s
with retry_after, Stop: the test ends, 100 calls, after over 1.5 s
EXPECTED
