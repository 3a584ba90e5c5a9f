#!/usr/bin/env bash
# Everything that must hold, in named stages. Needs nothing but Node.js and npm: it installs what is missing, and
# starts what the tests need (test/support/servers.sh). The last line is the sum: N passed, N failed.
set -euo pipefail
cd "$(dirname "$0")"

readonly STAGES='types lint unit simulation contract service fuzz chaos'
# A file of tests that hangs ends after this time instead of hanging CI (Node 20 counts whole files, not tests).
readonly TEST_TIMEOUT_MS=300000
# Of the runner's own words on a test that did not pass: what it was, where, and how it failed.
readonly LINES_OF_FAILURE=14
# Files of tests run beside each other, one a core: each has its own database and key prefix.
CORES=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

usage() {
  cat <<'USAGE'
Usage: ./test.sh [STAGE...]      all stages without arguments

  types      the compiler, over sources and tests
  lint       Biome, warnings are errors; knip: unused files, exports and dependencies
  unit       test/unit: nothing but the code
  simulation test/simulation: nodes, partners and faults in one process on a virtual clock (docs/simulation.md)
  contract   test/contract: what every store and limiter promises, on real servers
  service    test/service: the service as a partner sees it, and partner.sh (curl and openssl)
  fuzz       test/fuzz: half a minute of requests that are right, forged and broken
  chaos      a minute of faults on each store, and what partners saw held to the promise (docs/faults.md)

Servers: TEST_REDIS_URL and TEST_DATABASE_URL if set, else private ones from the programs on this
machine, else Docker, else (root on Debian and Ubuntu) from apt-get. Browser: TEST_CHROMIUM if set, else
Chromium or Chrome of this machine, else (root on Debian) from apt-get.
USAGE
}

passed=0
failed=0
failures=''
stage=start
child=
demo_pid=
demo_url=
output_dir=

# shellcheck source=test/support/servers.sh
. test/support/servers.sh
# shellcheck source=test/support/browser.sh
. test/support/browser.sh

# The result is said by finish() alone, so that it is the last line whatever ends the run.
finish() {
  local status=$?
  trap - EXIT INT TERM HUP
  set +e
  if [ -n "$child" ]; then stop_child; fi
  if [ -n "$demo_pid" ]; then stop_demo; fi
  stop_servers
  if [ -n "$output_dir" ]; then
    cat "$output_dir/failed" 2>/dev/null
    rm -rf "$output_dir"
  fi
  if [ "$status" != 0 ]; then
    echo "stopped in stage $stage (status $status)"
    failed=$((failed + 1))
  fi
  if [ -n "$failures" ]; then echo "failed:$failures"; fi
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

fail() {
  echo "$1" >&2
  failed=$((failed + ${2:-1}))
  failures="$failures $stage"
}

# check WHAT COMMAND...: a stage that counts as one test.
check() {
  local what=$1
  shift
  if run "$@"; then passed=$((passed + 1)); else fail "$what failed"; fi
}

# run_files FOLDER: every *.test.ts in it. Reads the runner's own sum from its TAP output.
run_files() {
  local tap=$output_dir/$stage.tap status=0 ok not_ok
  local files=("$1"/*.test.ts)
  if [ ! -e "${files[0]}" ]; then
    fail "no tests in $1"
    return
  fi
  run node --import tsx --test --test-timeout="$TEST_TIMEOUT_MS" --test-concurrency="$CORES" \
    --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$tap" "${files[@]}" || status=$?
  ok=$(tap_sum "$tap" pass)
  # What was cancelled, skipped or put off did not pass: nothing is left out in silence.
  not_ok=$(($(tap_sum "$tap" fail) + $(tap_sum "$tap" cancelled) + $(tap_sum "$tap" skipped) + $(tap_sum "$tap" todo)))
  if [ "$status" != 0 ] && [ "$not_ok" = 0 ]; then not_ok=1; fi
  passed=$((passed + ok))
  if [ "$not_ok" != 0 ]; then
    fail "$not_ok of $((ok + not_ok)) tests in $1 did not pass" "$not_ok"
    # Told again at the end, where whoever sees only the end of a long log looks.
    echo "=== failed in $stage" >>"$output_dir/failed"
    grep -A "$LINES_OF_FAILURE" '^ *not ok' "$tap" | head -n 80 >>"$output_dir/failed" || true
  fi
}

# tap_sum FILE WORD: the number after the last "# WORD " that stands at the start of a line.
tap_sum() {
  local number
  number=$(sed -n "s/^# $2 \([0-9][0-9]*\)\$/\1/p" "$1" 2>/dev/null | tail -n 1)
  echo "${number:-0}"
}

# run_script FILE ARGUMENT...: a script that prints "ok ..." and "not ok ..." lines.
run_script() {
  local out=$output_dir/script.out status=0 ok not_ok
  run bash -c 'set -o pipefail; out=$1; shift; bash "$@" 2>&1 | tee "$out"' - "$out" "$@" || status=$?
  ok=$(grep -c '^ok\b' "$out" || true)
  not_ok=$(grep -c '^not ok\b' "$out" || true)
  if [ "$not_ok" = 0 ] && { [ "$status" != 0 ] || [ "$ok" = 0 ]; }; then not_ok=1; fi
  passed=$((passed + ok))
  if [ "$not_ok" != 0 ]; then fail "$1: $not_ok did not pass (exit code $status)" "$not_ok"; fi
}

need_servers() {
  if [ -n "$servers_dir" ]; then return; fi
  start_servers
  echo "Redis: $TEST_REDIS_URL, PostgreSQL: $TEST_DATABASE_URL"
}

stage_types() {
  check 'the type check' node node_modules/typescript/bin/tsc --noEmit -p test/tsconfig.json
  check 'the type check of the pages' node node_modules/typescript/bin/tsc --noEmit -p test/tsconfig.browser.json
}
stage_lint() {
  check 'the linter' node node_modules/@biomejs/biome/bin/biome check --error-on-warnings .
  check 'the search for what is unused' node node_modules/knip/bin/knip.js --treat-config-hints-as-errors
}
stage_unit() { run_files test/unit; }
stage_simulation() { run_files test/simulation; }
stage_contract() {
  need_servers
  run_files test/contract
}
stage_service() {
  if [ "$built" != yes ]; then
    fail 'not run: the build failed'
    return
  fi
  need_servers
  need_browser
  run_files test/service
  if ! start_demo; then
    fail 'partner.sh was not run: the service did not start'
    return
  fi
  run_script test/service/partner.sh "$demo_url"
  stop_demo
}

stage_fuzz() {
  if [ "$built" != yes ]; then
    fail 'not run: the build failed'
    return
  fi
  need_servers
  run_files test/fuzz
}

stage_chaos() {
  if [ "$built" != yes ]; then
    fail 'not run: the build failed'
    return
  fi
  # For what this machine has no program of, programs are installed.
  need_servers
  check 'chaos with the keys in Redis' chaos_on redis
  check 'chaos with the keys in PostgreSQL' chaos_on postgres
}

# A run is void when the machine was too busy for its load or its faults: that says nothing, and it has four more tries.
chaos_on() {
  local status=0 try
  for try in 1 2 3 4 5; do
    status=0
    node --import tsx test/chaos/chaos.ts --store "$1" --rate 8 --seed "ci-$try" --out "$output_dir/chaos-$1" || status=$?
    if [ "$status" != 3 ]; then break; fi
  done
  if [ "$status" != 0 ]; then
    mkdir -p chaos-runs
    rm -rf "chaos-runs/test-$1"
    cp -r "$output_dir/chaos-$1" "chaos-runs/test-$1"
    echo "all that was recorded is in chaos-runs/test-$1; what the nodes say of requests that failed:"
    grep -h '"msg":"request failed"' "chaos-runs/test-$1"/node-*.log | tail -n 10
  fi
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
  case " $STAGES " in
    *" $argument "*) wanted="$wanted $argument" ;;
    *)
      trap - EXIT
      case $argument in -h | --help) usage && exit 0 ;; esac
      echo "test.sh: there is no stage '$argument'" >&2
      usage >&2
      exit 2
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

for stage in ${wanted:-$STAGES}; do
  started=$SECONDS
  echo "=== $stage"
  "stage_$stage"
  echo "=== $stage: $((SECONDS - started)) s"
done
