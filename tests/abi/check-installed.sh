#!/usr/bin/env bash
# check-installed.sh SOURCES INTROSPECTION PYTHON: builds and installs the library into a folder of its own, with `enabled` or
# `disabled` introspection, and uses it as a stranger would: by pkg-config, and from the languages that there are. PYTHON is
# one that has gi, or nothing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"
sources=$1 introspection=$2 python=$3

examples=$sources/docs/examples
check_program=$sources/tests/examples/check-program.py
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/prefix

# What is uninstalled must not help.
unset PARALLEL_GLIB_EXEC LD_LIBRARY_PATH GI_TYPELIB_PATH GJS_PATH PYTHONPATH DESTDIR
export PYTHONDONTWRITEBYTECODE=1

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

# As a packager does it: the same files, in another place.
stages () {
  DESTDIR=$scratch/stage meson install -C "$scratch/build" &&
    diff <(cd "$prefix" && find . | sort) <(cd "$scratch/stage/$prefix" && find . | sort)
}

# stands_alone COMPILER [ARGUMENT…]: with what pkg-config says, the header needs nothing before it.
stands_alone () {
  local flags
  read -r -a flags <<<"$(pkg-config --cflags parallel-glib-1)"
  "$@" -Wall -Wextra -Werror -fsyntax-only "${flags[@]}" - <<<'#include <parallel-glib/parallel.h>'
}

# compile SOURCE PROGRAM
compile () {
  local flags
  read -r -a flags <<<"$(pkg-config --cflags --libs parallel-glib-1)"
  cc -std=gnu11 -Wall -Wextra -Wno-unused-parameter -Werror "$1" -o "$2" "${flags[@]}"
}

run_client () {
  [ "$("$scratch/client")" = "one two $(pkg-config --modversion parallel-glib-1)" ]
}

run_command () {
  [ "$("$prefix/bin/parallel-glib" echo 'is {}' ::: here there)" = $'is here\nis there' ]
}

# Valac looks for an API wherever data is, and asks pkg-config for the rest.
compile_vala () {
  valac --fatal-warnings --pkg=parallel-glib-1 --directory="$scratch" --output=vala-program -X -w "$examples/fetch-all.vala"
}

# The folder of the package need not be one that Python searches: the prefix is ours.
run_python () {
  local folder code
  folder=$(dirname "$(find "$prefix" -name parallel_glib)")
  code="import sys, gi, parallel_glib
gi.require_version('Parallel', '1')
from gi.repository import Parallel
print(gi.Repository.get_default().get_typelib_path('Parallel'))
print(sys.modules['gi.overrides.Parallel'].__file__)
print(parallel_glib.__file__)"
  export PYTHONPATH=$folder
  same <("$python" -c "$code") "$prefix/lib/girepository-1.0/Parallel-1.typelib
$folder/gi/overrides/Parallel.py
$folder/parallel_glib/__init__.py" && "$check_program" hash-tree "$python" "$examples/hash-tree.py"
}

# With overrides, and with the module where pkg-config says it is.
run_gjs () {
  local program=$here/../javascript/by-namespace.js folder
  folder=$(pkg-config --variable=javascriptdir parallel-glib-1)
  [ -e "$folder/parallel.js" ] || { echo "$folder/parallel.js is missing"; return 1; }
  [ "$(gjs -m "$program")" = "function 9 file://$folder/parallel.js" ]
}

check 'it installs' install_library
check 'its files are there' is_installed
check 'nothing private is installed' nothing_private
check 'every header is part of parallel.h' same_headers
check 'it installs into a stage' stages
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
export GI_TYPELIB_PATH=$prefix/lib/girepository-1.0 XDG_DATA_DIRS=$prefix/share:/usr/local/share:/usr/share

check 'parallel.h stands alone in C' stands_alone cc -x c
if command -v c++ >/dev/null; then
  check 'parallel.h stands alone in C++' stands_alone c++ -x c++
else
  skip 'parallel.h stands alone in C++' 'no C++ compiler'
fi
check 'a program compiles by pkg-config' compile "$here/client.c" "$scratch/client"
check 'the program runs' run_client
check 'a program with a class of its own compiles' compile "$examples/fetch-all.c" "$scratch/fetch-all"
check 'that program runs' "$check_program" fetch-all "$scratch/fetch-all"
check 'the command runs' run_command

if [ "$introspection" = enabled ] && command -v valac >/dev/null; then
  check 'a Vala program compiles' compile_vala
  check 'the Vala program runs' "$check_program" fetch-all "$scratch/vala-program"
else
  skip 'a Vala program runs' 'no introspection, or no valac'
fi
if [ "$introspection" = enabled ] && [ -n "$python" ]; then
  check 'a Python program runs' run_python
else
  skip 'a Python program runs' 'no introspection, or no Python with gi'
fi
if [ "$introspection" = enabled ] && command -v gjs >/dev/null; then
  check 'a GJS program runs' run_gjs
else
  skip 'a GJS program runs' 'no introspection, or no gjs'
fi
finish_tests
