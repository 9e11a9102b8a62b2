#!/usr/bin/env bash
# check-subproject.sh SOURCES: a project that has the library as a subproject builds and runs.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"
sources=$1

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
unset PARALLEL_GLIB_EXEC LD_LIBRARY_PATH GI_TYPELIB_PATH DESTDIR

mkdir -p "$scratch/client/subprojects"
ln -s "$sources" "$scratch/client/subprojects/parallel-glib"
cp "$here/client.c" "$sources/docs/examples/fetch-all.c" "$scratch/client"
cat >"$scratch/client/meson.build" <<'MESON'
project('client', 'c', default_options: ['c_std=gnu11'])

parallel_dep = dependency('parallel-glib-1', fallback: 'parallel-glib')
parallel_env = subproject('parallel-glib').get_variable('uninstalled_env')
client = executable('client', 'client.c', dependencies: parallel_dep)
test('client', client, env: parallel_env)
# It has a class of its own.
fetch_all = executable('fetch-all', 'fetch-all.c', dependencies: parallel_dep)
test('fetch-all', find_program(get_option('check_program')), args: ['fetch-all', fetch_all], env: parallel_env)
MESON
echo "option('check_program', type: 'string')" >"$scratch/client/meson_options.txt"

configure () {
  meson setup "$scratch/build" "$scratch/client" --force-fallback-for=parallel-glib-1 \
    -Dcheck_program="$sources/tests/examples/check-program.py" \
    -Dparallel-glib:introspection=disabled -Dparallel-glib:vapi=disabled -Dparallel-glib:tests=false
}

check 'it configures' configure
check 'it builds' meson compile -C "$scratch/build"
check 'the program runs' meson test -C "$scratch/build" --no-rebuild --print-errorlogs client
check 'a program with a class of its own runs' meson test -C "$scratch/build" --no-rebuild --print-errorlogs fetch-all
check 'the program runs in meson devenv' meson devenv -C "$scratch/build" ./client
finish_tests
