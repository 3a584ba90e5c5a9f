#!/usr/bin/env bash
# Everything that must hold, in named stages of two tiers. Needs nothing but Node.js and npm: it installs what is missing, and
# starts what the tests need (test/support/servers.sh). The last line is the sum: N passed, N failed.
set -euo pipefail
cd "$(dirname "$0")"

readonly FAST='types lint unit contract service simulation fuzz chaos'
# What takes long, needs a browser or repeats the fast tier at full length.
readonly SLOW='service-slow simulation-full fuzz-full chaos-full'
readonly SLOWEST_FILES=10
# Of what a stage printed: when it fails, and once more at the end.
readonly LINES_OF_LOG=60
readonly LINES_OF_FAILURE=14
readonly NODE_TS=(node --import ./test/support/typescript.js)

usage() {
  cat <<'USAGE'
Usage: ./test.sh [STAGE...]      the fast tier without arguments; fast, slow or all: a tier

The fast tier:
  types      the compiler, over sources and tests
  lint       Biome, warnings are errors; knip: unused files, exports and dependencies
  unit       test/unit: nothing but the code
  contract   test/contract: what every store and limiter promises, on real servers
  service    test/service: the service as a partner sees it, and partner.sh (curl and openssl)
  simulation test/simulation: nodes, partners and faults in one process on a virtual clock (docs/simulation.md)
  fuzz       test/fuzz: eight seconds of requests that are right, forged and broken
  chaos      some seconds of faults on each store, and what partners saw held to the promise (docs/faults.md)

The slow tier:
  service-slow    test/slow: what starts servers or many processes of its own: outages, failovers, crashes, poolers,
                  commands, pages in a browser, Postman, 10,000 connections, the benchmark
  simulation-full, fuzz-full, chaos-full  the same as above at full length; a minute of chaos on each store, half of one of events

Servers: TEST_REDIS_URL and TEST_DATABASE_URL if set, else private ones from the programs on this
machine, else Docker, else (root on Debian and Ubuntu) from apt-get. Browser: TEST_CHROMIUM if set, else
Chromium or Chrome of this machine, else (root on Debian) from apt-get.
USAGE
}

passed=0
failed=0
stage=start
child=
demo_pid=
demo_url=
output_dir=

# shellcheck source=test/support/servers.sh
. test/support/servers.sh
# shellcheck source=test/support/browser.sh
. test/support/browser.sh

# The result is printed by finish() alone, so that it is the last line whatever ends the run.
finish() {
  local status=$?
  trap - EXIT INT TERM HUP
  set +e
  if [ -n "$child" ]; then stop_child; fi
  if [ -n "$demo_pid" ]; then stop_demo; fi
  stop_servers
  if [ "$status" != 0 ]; then
    echo "stopped in stage $stage (status $status)"
    failed=$((failed + 1))
  fi
  if [ -n "$output_dir" ]; then
    if [ -s "$output_dir/times" ]; then
      echo 'the slowest files, in seconds:'
      sort -rn "$output_dir/times" | head -n "$SLOWEST_FILES" | sed 's/^/  /'
    fi
    if [ -s "$output_dir/failed" ]; then
      echo 'what failed:'
      cat "$output_dir/failed"
    fi
    rm -rf "$output_dir"
  fi
  if [ "$((passed + failed))" = 0 ]; then echo 'no test ran'; fi
  echo "$passed passed, $failed failed"
  if [ "$status" = 0 ] && { [ "$failed" != 0 ] || [ "$passed" = 0 ]; }; then status=1; fi
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# Runs a command in a process group of its own and waits for it. A signal to this script is then handled at once,
# and everything that the command started can be ended with it.
run() {
  local status=0
  set -m
  "$@" </dev/null &
  child=$!
  set +m
  wait "$child" || status=$?
  child=
  return "$status"
}

stop_child() {
  kill -TERM "-$child" 2>/dev/null
  wait_until 5 gone "-$child" || kill -KILL "-$child" 2>/dev/null
}

# fail TEXT [COUNT]: now, and once more at the end, where a reader of a long log looks first.
fail() {
  echo "not ok: $stage: $1" | tee -a "$output_dir/failed"
  failed=$((failed + ${2:-1}))
}

# check WHAT COMMAND...: a stage that counts as one test. What it prints is shown only if it fails.
check() {
  local what=$1 log=$output_dir/check.log
  shift
  if run "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
    return
  fi
  tail -n "$LINES_OF_LOG" "$log"
  fail "$what failed"
  grep -v '^ *$' "$log" | head -n "$LINES_OF_FAILURE" | sed 's/^/    /' >>"$output_dir/failed"
}

# run_files FOLDER [OPTION]: every *.test.ts in it.
run_files() {
  local status=0 ok not_ok
  rm -f "$output_dir/sums"
  run node test/support/run-tests.js ${2:+"$2"} "$1" "$output_dir" || status=$?
  if ! read -r ok not_ok 2>/dev/null <"$output_dir/sums"; then
    fail "the tests in $1 ended with status $status"
    return
  fi
  passed=$((passed + ok))
  failed=$((failed + not_ok))
  if [ "$status" != 0 ] && [ "$not_ok" = 0 ]; then fail "no test of $1 ran"; fi
}

# run_script FILE ARGUMENT...: a script that prints "ok ..." and "not ok ..." lines.
run_script() {
  local out=$output_dir/script.out status=0 ok not_ok
  run bash "$@" >"$out" 2>&1 || status=$?
  ok=$(grep -c '^ok\b' "$out" || true)
  not_ok=$(grep -c '^not ok\b' "$out" || true)
  if [ "$not_ok" = 0 ] && { [ "$status" != 0 ] || [ "$ok" = 0 ]; }; then not_ok=1; fi
  passed=$((passed + ok))
  if [ "$not_ok" != 0 ]; then
    cat "$out"
    fail "$1: $not_ok did not pass (exit code $status)" "$not_ok"
    grep '^not ok\b' "$out" | sed 's/^/    /' >>"$output_dir/failed"
  fi
}

need_servers() {
  if [ -n "$servers_dir" ]; then return; fi
  start_servers
}

stage_types() {
  check 'the type check' node node_modules/typescript/bin/tsc --noEmit -p test/tsconfig.json
  check 'the type check of the pages' node node_modules/typescript/bin/tsc --noEmit -p test/tsconfig.browser.json
}
stage_lint() {
  check 'the linter' node node_modules/@biomejs/biome/bin/biome check --error-on-warnings .
  check 'the search for what is unused' node node_modules/knip/bin/knip.js --treat-config-hints-as-errors
}
stage_unit() { run_files test/unit --together; }
stage_simulation() { run_files test/simulation; }
stage_contract() {
  need_servers
  run_files test/contract
}
stage_service() {
  need_build || return 0
  need_servers
  run_files test/service
  if ! start_demo; then
    fail 'partner.sh was not run: the service did not start'
    return
  fi
  run_script test/service/partner.sh "$demo_url"
  stop_demo
}
stage_fuzz() {
  need_build || return 0
  need_servers
  run_files test/fuzz
}
stage_chaos() {
  need_build || return 0
  need_servers
  check 'chaos with the keys in Redis, and in PostgreSQL' chaos_on_both 15s
}
stage_service-slow() {
  need_build || return 0
  need_slow_programs
  need_servers
  need_browser
  # Some of them fill the machine by themselves, or measure.
  CORES=1 run_files test/slow
}
stage_simulation-full() { TEST_FULL=yes run_files test/simulation; }
stage_fuzz-full() { TEST_FULL=yes stage_fuzz; }
stage_chaos-full() {
  need_build || return 0
  need_servers
  check 'chaos with the keys in Redis' chaos_on redis 60s
  check 'chaos with the keys in PostgreSQL' chaos_on postgres 60s
  check 'chaos of events and webhooks' chaos_on redis 30s events
}

need_build() {
  if [ "$built" = yes ]; then return; fi
  fail 'not run: the build failed'
  return 1
}

# chaos_on STORE DURATION [MODE]. A run is void when the machine was too busy for its load or its faults: that says nothing, and
# it has two more tries.
chaos_on() {
  local status=0 try out mode=${3:-orders}
  for try in 1 2 3; do
    status=0
    out=$output_dir/chaos-$mode-$1-$try
    "${NODE_TS[@]}" test/chaos/chaos.ts --mode "$mode" --store "$1" --rate 8 --duration "$2" --seed "ci-$try" --out "$out" ||
      status=$?
    if [ "$status" != 3 ]; then break; fi
  done
  if [ "$status" != 0 ]; then
    mkdir -p chaos-runs
    rm -rf "chaos-runs/test-$mode-$1"
    cp -r "$out" "chaos-runs/test-$mode-$1"
    echo "all that was recorded is in chaos-runs/test-$mode-$1; what the nodes log about requests that failed:"
    grep -h '"msg":"request failed"' "chaos-runs/test-$mode-$1"/node-*.log | tail -n 10
  fi
  return "$status"
}

# Beside each other: a run waits for most of its time.
chaos_on_both() {
  local status=0 other
  chaos_on postgres "$1" &
  other=$!
  chaos_on redis "$1" || status=$?
  wait "$other" || status=$?
  return "$status"
}

# The service as `npm start` starts it, with none of our settings, on a free port and with an empty database.
start_demo() {
  local log=$output_dir/demo.log
  set -m
  env -i PATH="$PATH" HOME="${HOME:-}" DATA_DIR="$output_dir/demo" PORT=0 node src/oncekey.js serve \
    >"$log" 2>"$log.err" </dev/null &
  demo_pid=$!
  set +m
  if ! wait_until "$START_SECONDS" demo_is_ready "$log"; then
    tail -n 20 "$log.err" >&2
    stop_demo
    return 1
  fi
  demo_url=http://127.0.0.1:$(sed -n 's/.*"port":\([0-9]*\).*"msg":"ready".*/\1/p' "$log")
}

demo_is_ready() {
  kill -0 "$demo_pid" 2>/dev/null || return "$HOPELESS"
  grep -q '"msg":"ready"' "$1"
}

stop_demo() {
  kill -TERM "$demo_pid" 2>/dev/null || true
  wait_until 10 gone "$demo_pid" || kill -KILL "$demo_pid" 2>/dev/null || true
  demo_pid=
}

wanted=''
for argument in "$@"; do
  case $argument in
    fast) wanted="$wanted $FAST" ;;
    slow) wanted="$wanted $SLOW" ;;
    all) wanted="$wanted $FAST $SLOW" ;;
    -h | --help)
      trap - EXIT
      usage
      exit 0
      ;;
    *)
      case " $FAST $SLOW " in
        *" $argument "*) wanted="$wanted $argument" ;;
        *)
          trap - EXIT
          echo "test.sh: there is no stage '$argument'; ./test.sh --help lists them" >&2
          exit 2
          ;;
      esac
      ;;
  esac
done

stage=install
built=yes
output_dir=$(mktemp -d)
if ! run node src/oncekey.js --build; then
  built=no
  # Without a build the other stages still say what is wrong; without an installation nothing runs.
  if [ ! -e node_modules/.package-lock.json ]; then exit 1; fi
  fail 'the build failed'
fi

for stage in ${wanted:-$FAST}; do
  started=$SECONDS
  before="$passed $failed"
  "stage_$stage"
  printf '%-15s %5s passed, %s failed, %s s\n' "$stage" "$((passed - ${before% *}))" "$((failed - ${before#* }))" \
    "$((SECONDS - started))"
done
