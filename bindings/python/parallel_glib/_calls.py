# SPDX-License-Identifier: LGPL-2.1-or-later
"""What travels to a worker: what it is to do, and the place in which it expects to do it.

Workers import this file, so it imports little.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import pickle
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """What each worker of a run is told once: what to do with each input, and at the start and the
    end.
    """

    function: Any
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    onexit: Callable[[], object] | None = None
    initializer: Callable[..., object] | None = None
    initargs: tuple[Any, ...] = ()
    discard: bool = False
    """Nobody wants the results, so they need not be such as can travel."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result = self.function(*self.args, *args, **{**self.kwargs, **kwargs})
        return None if self.discard else result

    def set_up(self) -> None:
        """Called before the first step."""
        if self.initializer is not None:
            self.initializer(*self.initargs)

    def leave(self) -> None:
        """Called after the last one."""
        if self.onexit is not None:
            self.onexit()


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where this process is: a server that was started before it was here makes workers that have
    to follow.
    """

    path: tuple[str, ...]
    cwd: str | None
    environ: Mapping[str, str]

    @classmethod
    def here(cls) -> Place:
        """That of this process."""
        try:
            cwd = os.getcwd()
        except OSError:  # it was removed
            cwd = None
        return cls(tuple(sys.path), cwd, dict(os.environ))

    def enter(self) -> None:
        """Makes this process like the one that it was taken from."""
        sys.path[:] = self.path
        if self.cwd is not None:
            os.chdir(self.cwd)
        own = {
            name: value for name, value in os.environ.items() if name.startswith('PARALLEL_GLIB_')
        }
        os.environ.clear()
        os.environ.update({**self.environ, **own})


class Delivery:
    """A Job on its way. What is needed to unpickle the job is in order before it is unpickled."""

    def __init__(self, place: Place | None, data: bytes) -> None:
        self._place = place
        self._data = data
        self._job: Job | None = None

    def set_up(self) -> None:
        """Unpacks the job and does what it wants done before the first step."""
        if self._place is not None:
            self._place.enter()
        job: Job = pickle.loads(self._data)
        self._job, self._data = job, b''
        job.set_up()

    def leave(self) -> None:
        """Does what the job wants done after the last step."""
        if self._job is not None:
            self._job.leave()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        assert self._job is not None
        return self._job(*args, **kwargs)


_inherited: dict[int, Job] = {}
_tokens = itertools.count(1)


class Inherited:
    """A Job that a forked worker has already, so that nothing in it need be such as can travel."""

    def __init__(self, token: int) -> None:
        self._token = token

    def set_up(self) -> None:
        """As Job.set_up()."""
        _inherited[self._token].set_up()

    def leave(self) -> None:
        """As Job.leave()."""
        _inherited[self._token].leave()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _inherited[self._token](*args, **kwargs)


def inherit(job: Job) -> Inherited:
    """Keeps a job where what is forked from now on finds it."""
    token = next(_tokens)
    _inherited[token] = job
    return Inherited(token)


def disinherit(handle: Inherited) -> None:
    """Forgets it in this process."""
    _inherited.pop(handle._token, None)


def call(
    function: Callable[..., Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
) -> Any:
    """The job's function of a run whose steps each have a function of their own."""
    return function(*args, **(kwargs or {}))


class Table:
    """The same for functions that are known beforehand and cannot travel: an input is a number."""

    def __init__(self, functions: Sequence[Any]) -> None:
        self._functions = functions

    def __call__(
        self, function: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if isinstance(function, int):
            function = self._functions[function]
        return function(*args, **(kwargs or {}))
