#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The first argument is a folder with a few text files.
set -e
cd "$1"

# Count the words of each file, 4 at a time, the results in order.
parallel-glib -j 4 wc -w ::: *.txt

# The inputs may also come from a pipe; {} is where each one goes.
find . -name '*.txt' -print0 | sort -z | parallel-glib -0 gzip --keep -9 {}

# A list of commands of any kind; the first failure stops the rest.
parallel-glib --halt-on-error --steps <<LIST
gzip --test *.gz
echo checked on \$(uname -s)
LIST
