#!/usr/bin/env bash
# check-manual.sh PAGE COMMAND: the manual page renders without a warning, and has every option that COMMAND --help has.
set -euo pipefail

# shellcheck source=tests/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"
page=$1 command=$2

# silent COMMAND [ARGUMENT…]: succeeds if the command does and prints nothing.
silent () {
  local output status=0
  output=$("$@" 2>&1) || status=$?
  printf '%s\n' "$output"
  [ "$status" -eq 0 ] && [ -z "$output" ]
}

if command -v groff >/dev/null; then
  check 'groff renders it without a warning' silent groff -mdoc -Tutf8 -ww -z "$page"
else
  skip 'groff' 'not installed'
fi
if command -v mandoc >/dev/null; then
  check 'mandoc has nothing to warn of' silent mandoc -T lint -W warning "$page"
  text=$(mandoc -T ascii "$page" | sed 's,.\x08,,g')
  for option in $("$command" --help | grep -oE -- '--[a-z][a-z-]*' | sort -u); do
    check "$option is there" grep -qF -e "$option" <<<"$text"
  done
else
  skip 'mandoc' 'not installed'
fi

finish_tests
