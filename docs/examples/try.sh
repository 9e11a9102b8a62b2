#!/usr/bin/env bash
# docs/examples/try.sh [BUILD_DIR]
#
# Installs what is needed to build parallel-glib on Debian (apt-get; root or sudo), builds it, and runs a real job
# with the command parallel-glib. It builds in _build/try by default and leaves nothing else behind.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${1:-$top/_build/try}
most_files=400

"$top/tests/install-packages.sh" gcc libc6-dev libglib2.0-dev meson ninja-build pkg-config

echo "Building in $build"
mkdir -p "$(dirname "$build")"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if ! {
  [ -f "$build/build.ninja" ] ||
    meson setup "$build" "$top" -Dtests=false -Dintrospection=disabled -Dvapi=disabled
  meson compile -C "$build"
} >"$scratch/build.log" 2>&1; then
  tail -n 60 "$scratch/build.log"
  exit 1
fi
export PARALLEL_GLIB_EXEC=$build/parallel-glib/parallel-glib-exec

# The inputs: this system's own documentation, and in their midst a file that is not there.
find /usr/share/doc /usr/share/common-licenses -type f \( -name copyright -o -name 'changelog*' -o -path '*licenses/*' \) |
  LC_ALL=C sort | sed "$((most_files + 1)),\$d" >"$scratch/files"
n_files=$(wc -l <"$scratch/files")
missing=$scratch/not-there
sed "$((n_files / 2))a $missing" "$scratch/files" >"$scratch/inputs"

# The step: compress a file, decompress it, compare. $1 is the file.
# shellcheck disable=SC2016
step='
  packed=$(mktemp "$SCRATCH/packed.XXXXXX") || exit
  trap "rm -f \"$packed\"" EXIT
  gzip -9 <"$1" >"$packed" || exit
  gzip -dc "$packed" | cmp - "$1" || exit
  printf "%s: %d bytes, %d compressed, the same again\n" "$1" "$(wc -c <"$1")" "$(wc -c <"$packed")"'
export SCRATCH=$scratch

cat <<TEXT

Now $n_files files of this system's documentation are compressed, decompressed and compared, $(nproc) at a time. Each step
prints one line; the lines come in the order of the files, although the steps do not end in that order. One more
input is not there: its step fails, the others go on, and the end says which one it was and why.

TEXT

status=0
started=$(date +%s%N)
"$build/bindings/shell/parallel-glib" --progress sh -c "$step" check '{}' <"$scratch/inputs" |
  tee "$scratch/output" || status=$?
milliseconds=$((($(date +%s%N) - started) / 1000000))

# What was promised: exit status 1 for the one failure, a line for each file, in order.
problems=0
problem () {
  echo "Not as promised: $*" >&2
  problems=1
}
[ "$status" -eq 1 ] || problem "the exit status is $status and not 1"
sed 's/: [0-9]* bytes, .*//' "$scratch/output" >"$scratch/done"
cmp "$scratch/files" "$scratch/done" >&2 || problem "the lines are not those of the files, in order"
for left in "$scratch"/packed.*; do
  [ ! -e "$left" ] || problem "$left was left behind"
done
[ "$problems" -eq 0 ] || exit 1

cat <<TEXT

All went as told: $n_files lines in order, one failure reported, in $((milliseconds / 1000)).$(printf %03d $((milliseconds % 1000))) s.
TEXT
