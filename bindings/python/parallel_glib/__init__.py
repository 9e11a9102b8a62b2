# SPDX-License-Identifier: LGPL-2.1-or-later
"""Run many steps at once, and see their output and their failures as if they had run one after
another.

>>> from parallel_glib import run_parallel_steps, testing
>>> with testing.serial():  # in this process, for this example
...     run_parallel_steps([lambda: print('one'), lambda: print('two')])
one
two
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # without an import of typing, for which each worker would pay
if TYPE_CHECKING:
    from typing import Any

    from ._asyncio import run_parallel_steps_async as run_parallel_steps_async
    from ._command import Command as Command
    from ._errors import CommandFailed as CommandFailed
    from ._errors import ExitTimedOut as ExitTimedOut
    from ._errors import OutputLimitExceeded as OutputLimitExceeded
    from ._errors import RemoteError as RemoteError
    from ._errors import RemoteTraceback as RemoteTraceback
    from ._errors import RunCancelled as RunCancelled
    from ._errors import Silent as Silent
    from ._errors import StepAborted as StepAborted
    from ._errors import StepError as StepError
    from ._errors import TimedOut as TimedOut
    from ._errors import UnexpectedExit as UnexpectedExit
    from ._errors import WorkerFailed as WorkerFailed
    from ._executor import Executor as Executor
    from ._failure import BackgroundFailure as BackgroundFailure
    from ._failure import Failure as Failure
    from ._failure import FailureKind as FailureKind
    from ._launcher import Launcher as Launcher
    from ._map import map as map
    from ._outcome import FinishedStep as FinishedStep
    from ._promise import MainLoopTask as MainLoopTask
    from ._promise import start_in_main_loop as start_in_main_loop
    from ._runner import BackgroundTaskRunner as BackgroundTaskRunner
    from ._runner import Queue as Queue
    from ._runner import run_tasks_in_process_pool as run_tasks_in_process_pool
    from ._start import get_start_method as get_start_method
    from ._start import set_start_method as set_start_method
    from ._steps import run_parallel_steps as run_parallel_steps
    from ._worker import heartbeat as heartbeat

# Where each name is. They are loaded when they are asked for: a worker needs none of them.
_PLACES = {
    'BackgroundFailure': '_failure',
    'BackgroundTaskRunner': '_runner',
    'Command': '_command',
    'CommandFailed': '_errors',
    'Executor': '_executor',
    'ExitTimedOut': '_errors',
    'Failure': '_failure',
    'FailureKind': '_failure',
    'FinishedStep': '_outcome',
    'Launcher': '_launcher',
    'MainLoopTask': '_promise',
    'OutputLimitExceeded': '_errors',
    'Queue': '_runner',
    'RemoteError': '_errors',
    'RemoteTraceback': '_errors',
    'RunCancelled': '_errors',
    'Silent': '_errors',
    'StepAborted': '_errors',
    'StepError': '_errors',
    'TimedOut': '_errors',
    'UnexpectedExit': '_errors',
    'WorkerFailed': '_errors',
    'get_start_method': '_start',
    'heartbeat': '_worker',
    'map': '_map',
    'run_parallel_steps': '_steps',
    'run_parallel_steps_async': '_asyncio',
    'run_tasks_in_process_pool': '_runner',
    'set_start_method': '_start',
    'start_in_main_loop': '_promise',
}

__all__ = sorted(_PLACES)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    value = getattr(importlib.import_module('.' + _PLACES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
