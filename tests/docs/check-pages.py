#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check-pages.py TOP [--update]: checks that README.md and the pages of docs/ show what is really there.

Each sample of code stands under a comment that names its file, which other tests compile and run:

  <!-- docs/examples/x.c -->       it is that file, but for the lines above the first empty one, the file's own heading
  <!-- from docs/examples/x.c -->  it is a part of that file

With --update those of the first kind are replaced by the files.
"""

import os
import re
import sys

SAMPLE = re.compile(r'(?:<!-- (from )?(\S+) -->\n)?```(\w*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
LINK = re.compile(r'\]\((?!\w+:)([^)#]+)[^)]*\)')
CODE_LANGUAGES = ('c', 'js', 'python', 'sh', 'vala')

# Pages whose samples are taken out of the page and run by a test of their own.
RUN_AS_THEY_STAND = {'docs/javascript.md': 'tests/javascript/test-page.js'}


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


def read(top, path):
    with open(os.path.join(top, path), encoding='utf-8') as file:
        return file.read()


def without_heading(text):
    return text.split('\n\n', 1)[1]


def check_samples(tap, top, page):
    for part, path, language, code in SAMPLE.findall(read(top, page)):
        first = code.splitlines()[0].strip() if code else ''
        if path and part:
            tap.check(f'{page}: "{first}" is in {path}', code in read(top, path), 'It is not there as it is here.')
        elif path:
            tap.check(f'{page}: {path} is shown as it is', code == without_heading(read(top, path)),
                      'The sample and the file differ; --update takes the file.')
        elif language in CODE_LANGUAGES:
            tap.check(f'{page}: the sample "{first}" has a file', False,
                      f'No comment with a file name stands above this {language} sample.')


def check_links(tap, top, page):
    folder = os.path.dirname(page)
    for path in sorted(set(LINK.findall(read(top, page)))):
        # In docs/ the pages are named as the reference has them.
        source = re.sub(r'\.html$', '.md', path) if folder else path
        tap.check(f'{page}: {path} exists', os.path.exists(os.path.join(top, folder, source)))


def check_commands(tap, top):
    for command in ('docs/examples/try.sh', 'tests/run.sh'):
        tap.check(f'{command} is named', command in read(top, 'README.md'))
        tap.check(f'{command} can be run', os.access(os.path.join(top, command), os.X_OK))


def update(top, page):
    def replacement(match):
        part, path, language, _code = match.groups()
        if path is None or part:
            return match.group(0)
        return f'<!-- {path} -->\n```{language}\n{without_heading(read(top, path))}```'

    text = SAMPLE.sub(replacement, read(top, page))
    with open(os.path.join(top, page), 'w', encoding='utf-8') as file:
        file.write(text)


def main(top, *options):
    pages = ['README.md'] + sorted(
        f'docs/{name}' for name in os.listdir(os.path.join(top, 'docs')) if name.endswith('.md')
    )
    if options == ('--update',):
        for page in pages:
            update(top, page)
        return 0
    tap = Tap()
    for page in pages:
        if page in RUN_AS_THEY_STAND:
            test = RUN_AS_THEY_STAND[page]
            tap.check(f'{page} has {test}', os.path.exists(os.path.join(top, test)))
        else:
            check_samples(tap, top, page)
        check_links(tap, top, page)
    check_commands(tap, top)
    return tap.finish()


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
