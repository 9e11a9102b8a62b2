#!/usr/bin/env bash
# tests/benchmarks/run.sh [NAME…]
#
# Installs what the library is compared with (Debian; root or sudo), makes a release build in _build/benchmarks, runs the
# benchmarks, all or those with the given names, and prints a table. What came out is left beside the build as results.json and
# chart.svg. All together take about eleven minutes; the machine should have nothing else to do.
#
# UPDATE_PAGE=1: takes the results into docs/performance.md and its chart
# BENCHMARKS_BUILD_DIR: another place for the build
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${BENCHMARKS_BUILD_DIR:-$top/_build/benchmarks}

"$top/tests/install-packages.sh" \
  gcc gir1.2-glib-2.0 gobject-introspection libc6-dev libgirepository1.0-dev libglib2.0-dev meson ninja-build parallel \
  iproute2 munge pkg-config python3 python3-cloudpickle python3-gi python3-joblib slurm-wlm strace valgrind

mkdir -p "$build"
if ! {
  [ -f "$build/build.ninja" ] ||
    meson setup "$build" "$top" --buildtype=release -Dintrospection=enabled -Dvapi=disabled -Dgtk_example=disabled
  meson compile -C "$build"
} >"$build/build.log" 2>&1; then
  tail -n 60 "$build/build.log"
  exit 1
fi

export PARALLEL_GLIB_EXEC=$build/parallel-glib/parallel-glib-exec
export PARALLEL_GLIB_AGENT=$build/parallel-glib/parallel-glib-agent
export PARALLEL_GLIB_COMMAND=$build/bindings/shell/parallel-glib
export LD_LIBRARY_PATH=$build/parallel-glib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export GI_TYPELIB_PATH=$build/parallel-glib
export PYTHONPATH=$top/bindings/python PYTHONDONTWRITEBYTECODE=1
# GNU parallel asks to be cited, once.
export PARALLEL_HOME=$build/parallel-home
mkdir -p "$PARALLEL_HOME" && touch "$PARALLEL_HOME/will-cite"

chart=$build/chart.svg page=()
if [ "${UPDATE_PAGE:-0}" = 1 ]; then
  chart=$top/docs/performance.svg page=(--page "$top/docs/performance.md")
fi
exec /usr/bin/python3 "$top/tests/benchmarks/benchmark.py" --build "$build/tests/benchmarks" \
  --json "$build/results.json" --chart "$chart" "${page[@]}" "$@"
