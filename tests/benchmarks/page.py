# SPDX-License-Identifier: LGPL-2.1-or-later
"""The results as text: cells of a table, and the table of docs/performance.md."""

BEGIN, END = '<!-- results, by tests/benchmarks/run.sh -->\n', '<!-- end of the results -->\n'


def number(value):
    return f'{value:.3g}' if abs(value) < 100 else f'{value:,.0f}'


def target_text(result):
    if result['target'] is None:
        return ''
    sign = '≥' if result['kind'] == 'rate' else '≤'
    return f'{sign} {number(result["target"])}' + ('' if result['met'] else ', missed')


def cells(result):
    """What is ours, what is theirs, the ratio, its spread, and the target."""
    unit = result['unit']
    compared = result['kind'] != 'value'
    return (
        f'{number(result["ours"])} {unit}',
        f'{number(result["theirs"])} {unit}' if compared else '',
        number(result['value']) if compared else '',
        ' to '.join(number(value) for value in result['spread']),
        target_text(result),
    )


def write_page(path, results):
    """Puts the table in the place of the one that is there."""
    lines = ['| what | against | ours | theirs | ratio | spread | target |', '|---|---|---|---|---|---|---|']
    for result in results:
        lines.append('| ' + ' | '.join((result['what'], result['against'], *cells(result))) + ' |')
    with open(path, encoding='utf-8') as file:
        text = file.read()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    with open(path, 'w', encoding='utf-8') as file:
        file.write(before + BEGIN + '\n' + '\n'.join(lines) + '\n\n' + END + after)
