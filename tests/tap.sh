# Sourced by the tests written in bash: what they report is TAP.
# shellcheck shell=bash

tap_count=0
tap_failed=0

# check NAME COMMAND [ARGUMENT…]: a test, which passes if the command succeeds. What it prints is shown if not.
check () {
  local name=$1 output
  shift
  tap_count=$((tap_count + 1))
  if output=$("$@" 2>&1); then
    echo "ok $tap_count - $name"
  else
    echo "not ok $tap_count - $name"
    tap_failed=$((tap_failed + 1))
    printf '#   %s\n' "${output//$'\n'/$'\n#   '}"
  fi
}

# skip NAME REASON: a test that cannot be made here.
skip () {
  tap_count=$((tap_count + 1))
  echo "ok $tap_count - $1 # SKIP $2"
}

# same FILE TEXT: succeeds if the file holds just these lines.
same () {
  diff -u <(printf '%s\n' "$2") "$1"
}

finish_tests () {
  echo "1..$tap_count"
  [ "$tap_failed" -eq 0 ]
}
