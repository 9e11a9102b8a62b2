# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names for steps that were given none."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from ._calls import call
from ._command import Command
from ._failure import repr_of
from ._transport import Frozen

INPUT_SHOWN = 60


def name_of(function: Any) -> str:
    """The name of a function or of what can be called as one.

    >>> name_of(functools.partial(int, base=2)), name_of([].append)
    ('int', 'list.append')
    """
    while isinstance(function, (functools.partial, Frozen)):
        function = function.func
    if isinstance(function, Command):
        return function.name
    name = getattr(function, '__qualname__', None) or type(function).__qualname__
    return str(name).replace('<locals>.', '')


def step_name(function: Any, args: Sequence[Any]) -> str:
    """The name of a function's step: the call, shortened.

    >>> step_name(len, ('abc',)), step_name(len, ())
    ("len('abc')", 'len')
    """
    if function is call:
        function, args = args[0], args[1]
    if not args:
        return name_of(function)
    shown = repr_of(tuple(args), INPUT_SHOWN)[1:].removesuffix(')').removesuffix(',')
    return f'{name_of(function)}({shown})'


def batch_name(function: Any, args: Sequence[Any], count: int) -> str:
    """The name of the step of several calls, of which the first has these arguments.

    >>> batch_name(len, ('abc',), 1), batch_name(len, ('abc',), 8)
    ("len('abc')", "len('abc') and 7 more")
    """
    name = step_name(function, args)
    return name if count == 1 else f'{name} and {count - 1} more'
