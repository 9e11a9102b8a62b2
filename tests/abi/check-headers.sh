#!/usr/bin/env bash
# check-headers.sh INCLUDE_DIRS CC CXX HEADER…: each header stands alone, in C and in C++, and refuses to be included by itself
# rather than through parallel.h. INCLUDE_DIRS is a colon-separated list of folders that have a parallel-glib/ with headers;
# CC and CXX are commands with arguments; no C++ if CXX is empty. The headers are those that parallel.h includes.
set -euo pipefail

# shellcheck source=tests/tap.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"
IFS=: read -r -a include_dirs <<<"$1"
read -r -a cc <<<"$2"
read -r -a cxx <<<"$3"
shift 3
headers=("$@")

read -r -a flags <<<"$(pkg-config --cflags gio-2.0)"
flags+=(-Wall -Wextra -Werror -Wno-unused-parameter -fsyntax-only)
for dir in "${include_dirs[@]}"; do
  flags+=("-I$dir")
done

# compiles TEXT COMMAND [ARGUMENT…]: succeeds if a source with these lines compiles.
compiles () {
  local text=$1
  shift
  "$@" "${flags[@]}" - <<<"$text"
}

refused () {
  local said
  said=$(compiles "#include <parallel-glib/$1>" "${cc[@]}" -std=gnu11 -x c 2>&1) || true
  [[ $said == *'Only <parallel-glib/parallel.h> can be included directly'* ]]
}

for header in "${headers[@]}"; do
  alone=$'#define PARALLEL_INSIDE\n'"#include <parallel-glib/$header>"
  check "$header compiles alone" compiles "$alone" "${cc[@]}" -std=gnu11 -Wstrict-prototypes -x c
  check "$header cannot be included directly" refused "$header"
done

main_header='#include <parallel-glib/parallel.h>'
check 'parallel.h compiles as C99' compiles "$main_header" "${cc[@]}" -std=c99 -x c
check 'parallel.h compiles as C11' compiles "$main_header" "${cc[@]}" -std=gnu11 -x c
if [ ${#cxx[@]} -gt 0 ]; then
  check 'parallel.h compiles as C++' compiles "$main_header" "${cxx[@]}" -std=c++11 -x c++
  check 'it declares its functions extern "C"' \
    compiles "$main_header"$'\nextern "C" { gboolean parallel_run_steps (GPtrArray *, guint, gboolean, GCancellable *, GError **); }' \
    "${cxx[@]}" -std=c++11 -x c++
else
  skip 'parallel.h compiles as C++' 'no C++ compiler'
fi
finish_tests
