# SPDX-License-Identifier: LGPL-2.1-or-later
"""The inputs of a task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

from ._backend import is_step
from ._calls import Job
from ._command import Command

# What can be taken apart, but surely was not meant to be: a string into letters, a set in whatever
# order.
NOT_SPREAD = (str, bytes, bytearray, memoryview, Mapping, Set)


def spread(task: Any, value: Any) -> tuple[Any, ...]:
    """The arguments that an input stands for.

    >>> spread(print, (1, 'a')), spread(Command(['gzip', '{}']), 'a.txt')
    ((1, 'a'), ('a.txt',))
    >>> spread(print, 'a.txt')
    Traceback (most recent call last):
    TypeError: an input is a tuple of arguments, not 'a.txt'; for one argument put ('a.txt',)
    """
    if type(value) is tuple:
        return value
    if not isinstance(value, NOT_SPREAD) and isinstance(value, Iterable):
        return tuple(value)
    if is_program(task):
        return (value,)
    raise TypeError(
        f'an input is a tuple of arguments, not {value!r}; for one argument put ({value!r},)'
    )


def make_job(
    task: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], onexit: Any, *, discard: bool
) -> Job:
    """The job of a runner, checked."""
    if is_step(task):
        raise TypeError(
            'a Parallel.Step is one step, not the task of many; use run_parallel_steps()'
        )
    if not callable(task) and not _is_library_task(task):
        raise TypeError(f'the task must be a callable, a Command or a Parallel.Task, not {task!r}')
    if onexit is not None and not callable(onexit):
        raise TypeError(f'onexit must be a callable, not {onexit!r}')
    if is_program(task):
        if args or kwargs or onexit is not None:
            raise TypeError('bound arguments and onexit are for functions')
    return Job(task, args, kwargs, onexit, discard=discard)


def is_program(task: Any) -> bool:
    """Whether its inputs are not the arguments of a function."""
    return isinstance(task, Command) or _is_library_task(task)


def _is_library_task(task: Any) -> bool:
    return not callable(task) and any(
        cls.__module__ == 'gi.repository.Parallel' and cls.__name__ == 'Task'
        for cls in type(task).__mro__
    )
