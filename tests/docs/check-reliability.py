#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check-reliability.py TREE: every test that docs/reliability.md names is there."""

import fnmatch
import pathlib
import re
import sys


def known_tests(tree):
    names = set()
    for source in tree.glob('tests/**/*.c'):
        text = source.read_text(encoding='utf-8')
        names.update(re.findall(r'"(/[a-z0-9/-]+)"', text))
        # A file whose tests have a common beginning.
        if source.name == 'test-resources.c':
            names.update('/faults/resources/' + name for name in re.findall(r'add \("([a-z-]+)"', text))
    return names


def main(tree):
    names = known_tests(tree)
    files = {path.name for path in tree.glob('tests/**/test[-_]*')}
    page = (tree / 'docs' / 'reliability.md').read_text(encoding='utf-8')
    rows = [line.rsplit('|', 2)[1] for line in page.splitlines() if line.startswith('| ') and '`' in line]
    missing = []
    last = ''
    for named in re.findall(r'`([^`]+)`', ' '.join(rows)):
        if named.startswith('…'):
            named = last.rsplit('/', 1)[0] + named[1:]
        last = named
        if named.startswith('/'):
            found = fnmatch.filter(names, named)
        else:
            found = pathlib.PurePath(named).name in files
        if not found:
            missing.append(named)
    print('1..1')
    print('not ok 1' if missing or not rows else 'ok 1', '- every test that the page names is there')
    for name in missing:
        print(f'#   {name} is not')


main(pathlib.Path(sys.argv[1]))
