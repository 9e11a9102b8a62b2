#!/usr/bin/env bash
# check-symbols.sh LIBRARY LIST: the library exports just the symbols of the list, one a line, sorted. To change the
# list on purpose, run: tests/abi/check-symbols.sh LIBRARY --print >tests/abi/symbols.txt
set -euo pipefail

here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"
library=$1 list=$2

exported () {
  nm --dynamic --defined-only --format=posix "$library" | cut -d ' ' -f 1 | LC_ALL=C sort
}

if [ "$list" = --print ]; then
  exported
  exit
fi

only_ours () {
  ! exported | grep -v '^parallel_'
}

check 'every symbol starts with parallel_' only_ours
check 'the symbols are those of the list' diff -u "$list" <(exported)
finish_tests
