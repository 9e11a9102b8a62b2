#!/usr/bin/env bash
# tests/run.sh [BUILD_DIR]
#
# Installs what the tests need on Debian (apt-get; root or sudo), builds, and runs everything:
#
#   1. all suites, warnings being errors, with introspection, the Vala API and the reference;
#   2. the C and shell suites, built with the address and undefined-behaviour sanitizers;
#   3. the C suites and that of Vala under valgrind;
#   4. the C suites but for the slow tests, STRESS_REPEAT times, for what only goes wrong now and then.
#
# The tests of faults are part of 1 and 2, and the quick ones of 3. Their long versions, half an hour, are run by
# meson test -C _build/plain --setup stress --suite faults
#
# The last line has the counts of the real results. The exit status is 1 if anything failed.
#
# BUILD_DIR: where to build, _build in the tree by default; also from the environment
# STRESS_REPEAT: how often the stress phase repeats, 10 by default, 0 for not at all; 50 before a release
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${1:-${BUILD_DIR:-$top/_build}}
repeat=${STRESS_REPEAT:-10}

passed=0 failed=0 skipped=0

# say TEXT: a line with the time since the start.
say () {
  printf '[%3d s] %s\n' "$SECONDS" "$*"
}

# configure_and_build NAME [OPTION…]: builds $build/NAME; a failure counts as one.
configure_and_build () {
  local name=$1 dir=$build/$1 log=$build/$1.log
  shift
  local how=()
  [ ! -f "$dir/build.ninja" ] || how=(--reconfigure)
  say "Building $name"
  if ! { meson setup "${how[@]}" "$dir" "$top" "$@" && meson compile -C "$dir"; } >"$log" 2>&1; then
    say "The build of $name failed:"
    tail -n 60 "$log"
    failed=$((failed + 1))
    return 1
  fi
}

# run_tests LABEL BUILD_NAME [OPTION…]: runs tests of a build and adds up their results.
run_tests () {
  local label=$1 dir=$build/$2
  local log=$dir/meson-logs/$label.json counts p f s status=0
  shift 2
  say "Running: $label"
  rm -f "$dir/meson-logs/$label"*.json
  meson test -C "$dir" --no-rebuild --logbase "$label" "$@" >"$build/$label.log" 2>&1 || status=$?
  # A setup's name becomes part of the log's.
  for log in "$dir/meson-logs/$label"*.json; do break; done
  if ! counts=$(python3 "$top/tests/count-results.py" "$log"); then
    tail -n 20 "$build/$label.log"
    counts='0 1 0'
  fi
  read -r p f s <<<"$counts"
  if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then
    say "meson test ended with status $status:"
    tail -n 20 "$build/$label.log"
    f=1
  fi
  if [ $((p + f + s)) -eq 0 ]; then
    say "No test ran."
    f=1
  fi
  say "  $p passed, $f failed, $s skipped"
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

"$top/tests/install-packages.sh" \
  dbus-daemon fonts-cantarell g++ gcc gi-docgen gir1.2-glib-2.0 gir1.2-gtk-4.0 gjs gobject-introspection groff-base iproute2 libc6-dev \
  libgirepository1.0-dev libglib2.0-dev libgtk-4-dev libpython3.11-testsuite libxtst6 mandoc meson munge ninja-build openssh-client openssh-server \
  parallel pkg-config python3 python3-cloudpickle python3-gi python3-joblib python3-pytest slurm-wlm strace valac valgrind xvfb

mkdir -p "$build"
build=$(cd "$build" && pwd)

if configure_and_build plain -Dwerror=true -Ddocs=true -Dintrospection=enabled -Dvapi=enabled; then
  run_tests all plain
  # Asked for by name, a suite is run even if the setup leaves it out.
  run_tests valgrind plain --setup valgrind --no-suite no-valgrind --suite c --suite vala
  [ "$repeat" -eq 0 ] || run_tests stress plain --setup stress --no-suite slow --no-suite faults --suite c --repeat "$repeat"
fi

if configure_and_build sanitize -Dwerror=true -Db_sanitize=address,undefined -Dintrospection=disabled; then
  export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
  run_tests sanitize sanitize --suite c --suite shell
fi

say "Done"
line="$passed passed, $failed failed"
[ "$skipped" -eq 0 ] || line+=", $skipped skipped"
echo "$line"
[ "$failed" -eq 0 ]
