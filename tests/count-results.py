#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts what the tests in a Meson test log (testlog.json) reported, one by one.

count-results.py LOG... prints three numbers: passed, failed, skipped. What failed is told on stderr, with the end
of its log.

A test that speaks TAP counts with each line of its own. One that ended badly without reporting a failure (it died,
ran into its time limit, ended before its plan was done, or a sanitizer stopped it) is one more failure.
"""

import json
import re
import sys

GOOD = ('OK', 'EXPECTEDFAIL', 'SKIP')
TAP_LINE = re.compile(r'(not )?ok\b(.*)')
TAP_DIRECTIVE = re.compile(r'(?<!\\)#\s*(SKIP|TODO)', re.IGNORECASE)
TAP_START = re.compile(r'(TAP version \d+|1\.\.\d+)', re.MULTILINE)
# What a test program says of tests that are not the failing ones.
UNINTERESTING = re.compile(r'ok\b|1\.\.\d|# (Start of|End of|random seed|\S+ summary:|GLib-DEBUG)|--\d+-- |\(test program exited|$')
LINES_SHOWN = 40


def count_tap(output):
    passed, failed, skipped = 0, [], 0
    for line in output.splitlines():
        match = TAP_LINE.match(line)
        if not match:
            continue
        directive = TAP_DIRECTIVE.search(match[2])
        if directive:
            skipped += 1
        elif match[1]:
            failed.append(line)
        else:
            passed += 1
    return passed, failed, skipped


def count_test(test):
    output = test.get('stdout') or ''
    passed, failed, skipped = count_tap(output)
    speaks_tap = passed or failed or skipped or TAP_START.search(output)
    if speaks_tap and not output.startswith('1..0'):
        if not (passed or failed or skipped):
            failed = ['no result: it ended before its first test']
        elif test['result'] not in GOOD and not failed:
            failed = [f"ended with {test['result']}, exit status {test['returncode']}"]
    elif test['result'] == 'SKIP':
        # Also what Meson says of a TAP test that printed nothing at all; only exit status 77 is a real skip.
        if test['returncode'] == 77 or output.startswith('1..0'):
            skipped = 1
        else:
            failed = ['no result: it printed nothing']
    elif test['result'] in GOOD:
        passed = 1
    else:
        failed = [f"ended with {test['result']}, exit status {test['returncode']}"]
    return passed, failed, skipped


def tell(test, failed):
    print(f"--- {test['name']}: failed", file=sys.stderr)
    for line in failed:
        print(f'    {line}', file=sys.stderr)
    for stream in ('stdout', 'stderr'):
        lines = [line for line in (test.get(stream) or '').splitlines()
                 if not UNINTERESTING.match(line)]
        if lines:
            print(f'    the end of its {stream}:', file=sys.stderr)
        for line in lines[-LINES_SHOWN:]:
            print(f'    | {line}', file=sys.stderr)


def main(logs):
    totals = [0, 0, 0]
    for log in logs:
        with open(log, encoding='utf-8', errors='replace') as lines:
            for line in lines:
                test = json.loads(line)
                passed, failed, skipped = count_test(test)
                totals[0] += passed
                totals[1] += len(failed)
                totals[2] += skipped
                if failed:
                    tell(test, failed)
    print(*totals)


if __name__ == '__main__':
    main(sys.argv[1:])
