# shellcheck shell=bash
# Sourced by test.sh after servers.sh. The browser for the tests of the pages: TEST_CHROMIUM if set, else one of this
# machine, else (root on Debian) from apt-get. Without one test/support/chromium.ts fails and says what to install.

need_browser() {
  find_chromium && return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt_install ' chromium' && find_chromium && return 0
  fi
  return 0
}

# Only one that runs: on Ubuntu the package of apt-get is a script that asks for snap.
find_chromium() {
  local program
  for program in "${TEST_CHROMIUM:-}" chromium chromium-browser google-chrome-stable google-chrome \
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome' /snap/bin/chromium; do
    program=$(command -v "$program" 2>/dev/null) || continue
    "$program" --version >/dev/null 2>&1 || continue
    export TEST_CHROMIUM=$program
    return 0
  done
  return 1
}
