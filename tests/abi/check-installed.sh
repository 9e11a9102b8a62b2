#!/usr/bin/env bash
# check-installed.sh SOURCES INTROSPECTION: builds and installs the library into a folder of its own, with `enabled` or
# `disabled` introspection, and uses it as a stranger would: by pkg-config.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"
sources=$1 introspection=$2

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/prefix

# What is uninstalled must not help.
unset PARALLEL_GLIB_EXEC LD_LIBRARY_PATH GI_TYPELIB_PATH GJS_PATH DESTDIR

install_library () {
  meson setup "$scratch/build" "$sources" --prefix="$prefix" --libdir=lib --libexecdir=libexec \
    -Dtests=false -Dintrospection="$introspection" -Dvapi="$introspection" &&
    meson install -C "$scratch/build"
}

is_installed () {
  local file
  for file in \
    bin/parallel-glib \
    include/parallel-glib-1/parallel-glib/parallel.h \
    include/parallel-glib-1/parallel-glib/parallel-version.h \
    lib/libparallel-glib-1.so \
    lib/libparallel-glib-1.so.0 \
    lib/pkgconfig/parallel-glib-1.pc \
    libexec/parallel-glib-exec \
    share/man/man1/parallel-glib.1; do
    [ -e "$prefix/$file" ] || { echo "$file is missing"; return 1; }
  done
  [ "$introspection" = disabled ] || for file in \
    lib/girepository-1.0/Parallel-1.typelib \
    share/gjs-1.0/overrides/Parallel.js \
    share/gir-1.0/Parallel-1.gir \
    share/vala/vapi/parallel-glib-1.vapi; do
    [ -e "$prefix/$file" ] || { echo "$file is missing"; return 1; }
  done
}

nothing_private () {
  ! find "$prefix" | grep -E -e '-private|\.a$|spool|sequencer|spawner'
}

same_headers () {
  local header
  for header in "$prefix"/include/parallel-glib-1/parallel-glib/*.h; do
    grep -q "parallel-glib/$(basename "$header")>" \
      "$prefix/include/parallel-glib-1/parallel-glib/"*.h || {
      [ "$(basename "$header")" = parallel.h ] || { echo "$header is included by none"; return 1; }
    }
  done
}

compile_client () {
  local flags
  read -r -a flags <<<"$(pkg-config --cflags --libs parallel-glib-1)"
  cc -std=gnu11 -Wall -Wextra -Werror "$here/client.c" -o "$scratch/client" "${flags[@]}"
}

run_client () {
  [ "$("$scratch/client")" = "one two $(pkg-config --modversion parallel-glib-1)" ]
}

run_command () {
  [ "$("$prefix/bin/parallel-glib" echo 'is {}' ::: here there)" = $'is here\nis there' ]
}

# With overrides, and with the module where pkg-config says it is.
run_gjs () {
  local program=$here/../javascript/by-namespace.js folder
  folder=$(pkg-config --variable=javascriptdir parallel-glib-1)
  [ -e "$folder/parallel.js" ] || { echo "$folder/parallel.js is missing"; return 1; }
  export GI_TYPELIB_PATH=$prefix/lib/girepository-1.0 XDG_DATA_DIRS=$prefix/share:/usr/local/share:/usr/share
  [ "$(gjs -m "$program")" = "function 9 file://$folder/parallel.js" ]
}

check 'it installs' install_library
check 'its files are there' is_installed
check 'nothing private is installed' nothing_private
check 'every header is part of parallel.h' same_headers
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
check 'a program compiles by pkg-config' compile_client
check 'the program runs' run_client
check 'the command runs' run_command
if [ "$introspection" = enabled ] && command -v gjs >/dev/null; then
  check 'a GJS program runs' run_gjs
else
  skip 'a GJS program runs' 'no introspection, or no gjs'
fi
finish_tests
