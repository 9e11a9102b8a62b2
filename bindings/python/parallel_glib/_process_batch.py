# SPDX-License-Identifier: LGPL-2.1-or-later
"""What becomes of calls that travelled together to a worker process."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

from . import _transport
from ._backend import Work
from ._batches import Done
from ._errors import StepError, UnexpectedExit
from ._failure import Failure, FailureKind
from ._gi import GLib, Parallel
from ._names import step_name
from ._process_failure import failure_of_step, remote_failure

# As of the tail that the library gives of a step's output.
TAIL_BYTES = 2000
TAIL_LINES = 10

_STDOUT = Parallel.OutputStream.STDOUT


def failure_of_batch(step: Any, work: Work, name: str) -> Failure:
    """The failure of a step that has failed as a whole: its worker has died, for example."""
    items = list(work.items())
    input = items[0] if len(items) == 1 else items
    failure = failure_of_step(step, name=name, index=work.place, input=input)
    if len(items) == 1 or failure.kind == FailureKind.WORKER:
        return failure
    told = f'{len(items)} calls, from item {work.place} on, travelled together'
    if isinstance(failure.exception, UnexpectedExit):
        told += ', and one of them ended the worker'
    message = f'{failure.message}; {told}: batch_size=1 gives each a step of its own'
    exception = failure.exception
    if isinstance(exception, StepError):
        exception.args = (message, *exception.args[1:])
    return dataclasses.replace(failure, message=message)


def done_of_step(
    step: Any, work: Work, duration: float, function: Any, result_of: Callable[[Any, Work], Any]
) -> Done:
    """What a step has brought that has not failed as a whole."""
    done = Done([], count=work.count, size=work.size, seconds=duration)
    done.printed = step.get_output_size(_STDOUT) > 0
    try:
        if work.count > 1:
            data = step.get_result().get_data()
            done.size = max(done.size, len(data))
            _take(done, data, step, work, function)
        else:
            value = step.get_result()
            if isinstance(value, GLib.Bytes):
                done.size = max(done.size, value.get_size())
            done.results.append(result_of(step, work))
    except (Exception, SystemExit, GeneratorExit) as error:  # of the user's __setstate__
        done.failure = Failure.from_exception(
            error, kind=FailureKind.RESULT, **_fields(done, step, work, function)
        )
    return done


def _take(done: Done, data: bytes, step: Any, work: Work, function: Any) -> None:
    done.seconds, results, apart, failed, before = _transport.loads_batch_result(data)
    if apart:
        for value in _restored(results, apart):
            done.results.append(value)
    else:
        done.results = results
    if failed is not None:
        size = int.from_bytes(failed[:4], 'little')
        message = failed[4 : 4 + size].decode('utf-8', 'replace')
        fields = _fields(done, step, work, function)
        fields['output_tail'] = _output_tail(step, before)
        done.failure = remote_failure(message, failed[4 + size :], fields)


def _restored(results: list[Any], apart: dict[int, bytes]) -> Any:
    for i, value in enumerate(results):
        yield _transport.loads_result(apart[i]) if i in apart else value


def _fields(done: Done, step: Any, work: Work, function: Any) -> dict[str, Any]:
    """What is known of the failure of the call after those that have results."""
    number = len(done.results)
    args = next(itertools.islice(work.items(), number, None))
    return {
        'name': step_name(function, args),
        'index': work.place + number,
        'input': args,
        'duration': step.get_elapsed(),
    }


def _output_tail(step: Any, before: int) -> str:
    """The last lines of the output, without so many bytes of its beginning."""
    size = step.get_output_size(_STDOUT)
    start = max(before, size - TAIL_BYTES)
    if start >= size:
        return ''
    stream = step.open_output(_STDOUT)
    stream.seek(start, GLib.SeekType.SET, None)
    data = stream.read_bytes(size - start, None).get_data() or b''
    stream.close(None)
    if start > before:
        # The rest of a character that was cut.
        data = data.lstrip(bytes(range(0x80, 0xC0)))
    lines = data.decode('utf-8', 'replace').removesuffix('\n').split('\n')
    return '\n'.join(lines[-TAIL_LINES:])
