# SPDX-License-Identifier: LGPL-2.1-or-later
"""A chart of the results: how far each is beyond its target, or short of it."""

import math
from xml.sax.saxutils import escape

WIDTH, LEFT, ROW, TOP = 900, 430, 26, 50
# A bar of this length is a factor of ten.
DECADE = 200


def times_target(result):
    """Above 1 is better than the target."""
    value, target = result['value'], result['target']
    return value / target if result['kind'] == 'rate' else target / value if value else 10


def write_chart(path, results):
    rows = [result for result in results if result['target']]
    height = TOP + ROW * len(rows) + 20
    middle = LEFT + 230
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{middle}" y="20" text-anchor="middle">the target</text>',
        f'<text x="{middle + 12}" y="38" fill="#26a269">better →</text>',
        f'<text x="{middle - 12}" y="38" fill="#c01c28" text-anchor="end">← not there yet</text>',
    ]
    for i, result in enumerate(rows):
        y = TOP + ROW * i
        length = max(-1.15, min(1, math.log10(max(times_target(result), 1e-9)))) * DECADE
        x, colour = (middle, '#26a269') if length >= 0 else (middle + length, '#c01c28')
        what = result['name'] + (f' ({result["against"]})' if result['against'] else '')
        lines.append(f'<text x="{LEFT - 8}" y="{y + 16}" text-anchor="end">{escape(what)}</text>')
        lines.append(f'<rect x="{x:.1f}" y="{y + 4}" width="{abs(length):.1f}" height="{ROW - 8}" fill="{colour}"/>')
        lines.append(f'<text x="{max(x + abs(length), middle) + 6:.1f}" y="{y + 16}">{times_target(result):.2f} ×</text>')
    lines.append(f'<path d="M{middle} {TOP - 6}V{height - 14}" stroke="#241f31"/>')
    lines.append('</svg>')
    with open(path, 'w', encoding='utf-8') as file:
        file.write('\n'.join(lines) + '\n')
