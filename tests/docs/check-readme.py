#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that the README shows what is really there. The argument is the top of the tree.

Each sample of code stands under a comment that names its file, <!-- docs/examples/x.c -->, and equals that file but
for the lines above the first empty one, which are the file's own heading. The files are compiled and run by other tests.
"""

import os
import re
import sys

SAMPLE = re.compile(r'(?:<!-- (\S+) -->\n)?```(\w*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
LINK = re.compile(r'\]\((?!\w+:)([^)#]+)[^)]*\)')
CODE_LANGUAGES = ('c', 'python', 'javascript', 'vala', 'sh')


class Tap:
    def __init__(self):
        self.count = 0
        self.failed = 0

    def check(self, name, passed, why=''):
        self.count += 1
        print(f"{'ok' if passed else 'not ok'} {self.count} - {name}")
        if not passed:
            self.failed += 1
            for line in why.splitlines():
                print(f'#   {line}')

    def finish(self):
        print(f'1..{self.count}')
        return 1 if self.failed else 0


def without_heading(text):
    return text.split('\n\n', 1)[1]


def main(top):
    tap = Tap()
    with open(os.path.join(top, 'README.md'), encoding='utf-8') as file:
        readme = file.read()

    for path, language, code in SAMPLE.findall(readme):
        if path:
            with open(os.path.join(top, path), encoding='utf-8') as file:
                shown = without_heading(file.read())
            tap.check(f'{path} is shown as it is', code == shown, 'The sample and the file differ.')
        elif language in CODE_LANGUAGES:
            tap.check(f'the sample "{code.splitlines()[0]}" has a file', False,
                      f'No comment with a file name stands above this {language} sample.')

    for path in sorted(set(LINK.findall(readme))):
        tap.check(f'{path} exists', os.path.exists(os.path.join(top, path)))

    for command in ('docs/examples/try.sh', 'tests/run.sh'):
        tap.check(f'{command} is named', command in readme)
        tap.check(f'{command} can be run', os.access(os.path.join(top, command), os.X_OK))

    return tap.finish()


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
