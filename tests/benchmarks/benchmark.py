#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""benchmark.py --build DIR [--json FILE] [--chart FILE] [--page FILE] [NAME…]: runs the benchmarks and prints a table.

The two sides of a case run in turn, so that what else the machine does befalls both; the ratio is the median of those of the
pairs, the spread is their quartiles.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys

from cases import CASES
from chart import write_chart
from page import cells, write_page

HERE = os.path.dirname(os.path.abspath(__file__))


def measure(case, command, places, tiny):
    words = [word.format(n=case.tiny if tiny else case.n, **places) for word in shlex.split(command)]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f'{case.name}: {shlex.join(words)} ended with {done.returncode}')
    return float(done.stdout.split()[-1]) * case.factor


def quartiles(values):
    return statistics.quantiles(values, n=4, method='inclusive') if len(values) > 1 else values * 3


def run(case, places, tiny=False):
    """What came out, as it goes into the JSON."""
    pairs = []
    for _ in range(1 if tiny else case.runs):
        ours = measure(case, case.ours, places, tiny)
        theirs = measure(case, case.theirs, places, tiny) if case.theirs else None
        pairs.append((ours, theirs))
    if case.kind == 'rate':
        values = [theirs / ours for ours, theirs in pairs]
    elif case.kind == 'time':
        values = [ours / theirs for ours, theirs in pairs]
    else:
        values = [ours for ours, _ in pairs]
    low, middle, high = quartiles(values)
    return {
        'name': case.name,
        'what': case.what,
        'against': case.against,
        'ours': statistics.median(ours for ours, _ in pairs),
        'theirs': statistics.median(theirs for _, theirs in pairs) if case.theirs else None,
        'kind': case.kind,
        'unit': case.unit or 's',
        'value': middle,
        'spread': [low, high],
        'target': case.target,
        'met': case.target is None or (middle >= case.target if case.kind == 'rate' else middle <= case.target),
    }


def print_table(results):
    rows = [('name', 'ours', 'theirs', 'ratio', 'spread', 'target', 'against')]
    for result in results:
        rows.append((result['name'], *cells(result), result['against']))
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    for row in rows:
        print('  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--build', required=True)
    parser.add_argument('--json')
    parser.add_argument('--chart')
    parser.add_argument('--page')
    parser.add_argument('names', nargs='*')
    options = parser.parse_args()
    unknown = set(options.names) - {case.name for case in CASES}
    if unknown:
        parser.error(f'there is no benchmark {", ".join(sorted(unknown))}: {", ".join(case.name for case in CASES)}')

    places = {'build': options.build, 'source': HERE, 'python': sys.executable}
    results = []
    for case in CASES:
        if not options.names or case.name in options.names:
            print(f'{case.name}: {case.what}', file=sys.stderr, flush=True)
            results.append(run(case, places))
    print_table(results)
    if options.json:
        with open(options.json, 'w', encoding='utf-8') as file:
            json.dump(results, file, indent=1, ensure_ascii=False)
            file.write('\n')
    if options.chart:
        write_chart(options.chart, results)
    if options.page:
        write_page(options.page, results)


if __name__ == '__main__':
    main()
