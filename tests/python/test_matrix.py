# SPDX-License-Identifier: LGPL-2.1-or-later
"""The matrix of loky: each way to go wrong, in each place where the code of a call is run."""

import concurrent.futures
import dataclasses
import os
import pathlib
import pickle
import signal
import subprocess
import sys

import pytest
from parallel_glib import (
    BackgroundFailure,
    Executor,
    FailureKind,
    RemoteError,
    UnexpectedExit,
    _transport,
    run_parallel_steps,
    run_tasks_in_process_pool,
)

import worker_support
from matrix_support import (
    ACTIONS,
    IN_PROGRAM,
    IN_WORKER,
    PLACES,
    call,
    crash,
    leave,
    leave_at_once,
    raise_error,
)

ENDING = [crash, leave_at_once]
CASES = [(place, action) for place in IN_WORKER for action in ACTIONS]
CASES += [(place, action) for place in IN_PROGRAM for action in ACTIONS if action not in ENDING]


# What comes of it.


@dataclasses.dataclass
class Outcome:
    kind: FailureKind
    cls: type
    text: str
    exit_status: int | None = None
    signal: int | None = None


OUTCOMES = {
    ('argument pickling', leave): Outcome(
        FailureKind.INPUT, _transport.PicklingError, 'cannot be pickled: SystemExit: 2'
    ),
    ('argument pickling', raise_error): Outcome(
        FailureKind.INPUT, _transport.PicklingError, 'cannot be pickled: LookupError: on purpose'
    ),
    ('argument unpickling', leave): Outcome(
        FailureKind.INPUT, RemoteError, 'the input cannot be unpickled: SystemExit: 2'
    ),
    ('argument unpickling', raise_error): Outcome(
        FailureKind.INPUT, RemoteError, 'the input cannot be unpickled: LookupError: on purpose'
    ),
    ('body', leave): Outcome(FailureKind.EXIT, SystemExit, '2', exit_status=2),
    ('body', raise_error): Outcome(FailureKind.EXCEPTION, LookupError, 'on purpose'),
    ('result pickling', leave): Outcome(
        FailureKind.RESULT, RemoteError, 'the result cannot be pickled: SystemExit: 2'
    ),
    ('result pickling', raise_error): Outcome(
        FailureKind.RESULT, RemoteError, 'the result cannot be pickled: LookupError: on purpose'
    ),
    ('result unpickling', leave): Outcome(FailureKind.RESULT, SystemExit, '2', exit_status=2),
    ('result unpickling', raise_error): Outcome(FailureKind.RESULT, LookupError, 'on purpose'),
    # What a __del__ raises is only printed, by Python itself.
    ('collection', leave): None,
    ('collection', raise_error): None,
}
for _place in IN_WORKER:
    OUTCOMES[_place, crash] = Outcome(
        FailureKind.SIGNAL, UnexpectedExit, 'was ended by signal 11', signal=signal.SIGSEGV
    )
    OUTCOMES[_place, leave_at_once] = Outcome(
        FailureKind.EXIT, UnexpectedExit, 'exited with status 3', exit_status=3
    )


def submitted_by_callback(executor, submit):
    """What submit() returns, called by a callback of a future of the executor."""
    submitted = concurrent.futures.Future()
    executor.submit(int).add_done_callback(lambda _: submitted.set_result(submit()))
    return submitted.result(60)


def in_on_step_finished(function):
    results = []
    run_parallel_steps([int], on_step_finished=lambda _: results.append(function()))
    return results[0]


def check_exception(exception, outcome):
    assert type(exception) is outcome.cls
    assert outcome.text in str(exception)
    if outcome.cls is SystemExit:
        assert exception.code == outcome.exit_status
    if outcome.cls is UnexpectedExit:
        assert (exception.exit_status, exception.signal) == (outcome.exit_status, outcome.signal)
    if outcome.cls is _transport.PicklingError:
        assert isinstance(exception, pickle.PicklingError)
        assert type(exception.__cause__).__name__ in str(exception)


@pytest.mark.parametrize('place, action', CASES)
@pytest.mark.parametrize('from_callback', [False, True])
def test_of_an_executor(processes, place, action, from_callback, capfd):
    outcome = OUTCOMES[place, action]
    with Executor(1) as executor:

        def submit():
            return [
                executor.submit(abs, -1),
                executor.submit(*PLACES[place](action)),
                executor.submit(abs, -2),
            ]

        before, future, after = (
            submitted_by_callback(executor, submit) if from_callback else submit()
        )
        exception = future.exception(60)
        assert (before.result(60), after.result(60)) == (1, 2)
        assert executor.submit(abs, -3).result(60) == 3
    if outcome is not None:
        check_exception(exception, outcome)
    else:
        assert exception is None and future.result() is None
        assert 'collected\n' in capfd.readouterr().out


@pytest.mark.parametrize('from_callback', [False, True])
def test_of_inputs(processes, from_callback):
    """All of them one after the other in a run with one worker, each between two that succeed."""
    inputs = []
    for number, (place, action) in enumerate(CASES):
        inputs += [(abs, -number), PLACES[place](action)]
    inputs.append((abs, -len(CASES)))

    def run():
        with pytest.raises(BackgroundFailure) as caught:
            run_tasks_in_process_pool(call, inputs, processes=1)
        return caught.value

    group = in_on_step_finished(run) if from_callback else run()
    expected = {2 * number + 1: OUTCOMES[case] for number, case in enumerate(CASES)}
    failing = {index: outcome for index, outcome in expected.items() if outcome is not None}
    succeeding = {2 * number: number for number in range(len(CASES) + 1)}
    succeeding |= {index: None for index, outcome in expected.items() if outcome is None}
    assert group.results == succeeding
    assert [failure.index for failure in group.failures] == list(failing)
    for failure, outcome in zip(group.failures, failing.values()):
        assert failure.kind == outcome.kind
        assert (failure.exit_status, failure.signal) == (outcome.exit_status, outcome.signal)
        check_exception(failure.exception, outcome)


# In the program's own process nothing can be done about a crash: it must not become a hang, and
# nothing may be left.


END_PROGRAM = """
import concurrent.futures
import os
import sys

import matrix_support
import parallel_glib

method, place, action, in_callback = sys.argv[1:]
call = matrix_support.PLACES[place](getattr(matrix_support, action))
parallel_glib.set_start_method(method)
with parallel_glib.Executor(1) as executor:
    print(executor.submit(os.getpid).result(), flush=True)
    if in_callback:
        submitted = concurrent.futures.Future()
        first = executor.submit(int)
        first.add_done_callback(lambda _: submitted.set_result(executor.submit(*call)))
        submitted.result().result()
    else:
        executor.submit(*call).result()
"""


@pytest.mark.parametrize('place', IN_PROGRAM)
@pytest.mark.parametrize('action, status', [(crash, -signal.SIGSEGV), (leave_at_once, 3)])
@pytest.mark.parametrize('from_callback', [False, True])
def test_of_a_program_that_ends(processes, place, action, status, from_callback):
    folders = f'{pathlib.Path(__file__).parent}:{os.environ["PYTHONPATH"]}'
    in_callback = 'yes' if from_callback else ''
    program = subprocess.run(
        [sys.executable, '-c', END_PROGRAM, processes, place, action.__name__, in_callback],
        env=os.environ | {'PYTHONPATH': folders},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=60,
    )
    assert program.returncode == status
    worker_support.await_gone(int(program.stdout))
