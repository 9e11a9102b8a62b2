# SPDX-License-Identifier: LGPL-2.1-or-later
"""The drop-in module for callers of chromite.lib.parallel."""

import pickle
import signal
import subprocess
import sys

import pytest
from parallel_glib import BackgroundFailure, StepError, chromite, testing


@pytest.fixture(params=['serial', 'real'])
def drop_in(request):
    from conftest import METHODS

    if request.param == 'serial' or not METHODS:
        with testing.serial():
            yield chromite
    else:
        yield chromite


def fail():
    raise KeyError('x')


def test_steps(drop_in):
    assert drop_in.RunParallelSteps([lambda: 1, lambda: 2, lambda: None], return_values=True) == [
        1,
        2,
        None,
    ]
    assert drop_in.RunParallelSteps([lambda: 1]) is None
    assert drop_in.RunParallelSteps([]) is None


def test_failure(drop_in):
    with pytest.raises(drop_in.BackgroundFailure) as caught:
        drop_in.RunParallelSteps([fail, lambda: 1, sys.exit, lambda: sys.exit(1)])
    failure = caught.value
    assert isinstance(failure, BackgroundFailure)
    assert [info.type for info in failure.exc_infos] == [KeyError, SystemExit]
    assert failure.exc_infos[0].str == "'x'"
    assert 'in fail' in failure.exc_infos[0].traceback
    assert 'in fail' in str(failure)
    assert failure.HasFailureType(KeyError) and not failure.HasFailureType(OSError)
    assert not failure.MatchesFailureType(KeyError)
    assert failure.HasFatalFailure() and failure.HasFatalFailure(whitelist=[KeyError])
    assert not failure.HasFatalFailure(whitelist=[KeyError, SystemExit])
    assert not failure.HasEmptyList()
    assert failure.ToSummaryString() == "<class 'KeyError'>: 'x'\n<class 'SystemExit'>: 1"


def test_runner(drop_in, tmp_path):
    def task(name, number, suffix=''):
        (tmp_path / f'{name}{number}{suffix}').touch()

    with drop_in.BackgroundTaskRunner(task, 'x', processes=2, suffix='.t') as queue:
        queue.put([1])
        queue.put((2,))
    assert sorted(path.name for path in tmp_path.iterdir()) == ['x1.t', 'x2.t']


def test_failure_of_the_runner(drop_in):
    with pytest.raises(drop_in.BackgroundFailure):
        with drop_in.BackgroundTaskRunner(fail) as queue:
            queue.put([])


def test_foreground_wins(drop_in):
    with pytest.raises(LookupError):
        with drop_in.BackgroundTaskRunner(fail) as queue:
            queue.put([])
            raise LookupError


def test_pool(drop_in):
    assert drop_in.RunTasksInProcessPool(pow, [[2, 3], [3, 2]], processes=2) == [8, 9]
    assert drop_in.RunTasksInProcessPool(pow, []) == []


def test_nested(drop_in):
    def outer():
        drop_in.RunParallelSteps([fail, fail])

    with pytest.raises(drop_in.BackgroundFailure) as caught:
        drop_in.RunParallelSteps([outer])
    assert [info.type for info in caught.value.exc_infos] == [KeyError, KeyError]


def test_made_by_hand():
    info = chromite.ExceptInfo(KeyError, 'x', 'traceback')
    failure = chromite.BackgroundFailure(exc_infos=[info])
    assert failure.exc_infos == [info]
    assert str(failure) == "<class 'KeyError'>: x\ntraceback"
    empty = chromite.BackgroundFailure('only a message')
    assert empty.HasEmptyList() and str(empty) == empty.ToSummaryString() == 'only a message'
    assert not empty.HasFatalFailure()


def test_pickling():
    copy = pickle.loads(
        pickle.dumps(
            chromite.BackgroundFailure(exc_infos=[chromite.ExceptInfo(KeyError, 'x', 'traceback')])
        )
    )
    assert type(copy) is chromite.BackgroundFailure
    assert [(info.type, info.str) for info in copy.exc_infos] == [(KeyError, 'x')]


def test_except_star():
    failure = chromite.BackgroundFailure(
        exc_infos=[chromite.ExceptInfo(KeyError, 'x', ''), chromite.ExceptInfo(OSError, 'y', '')]
    )
    match, rest = failure.split(KeyError)
    assert type(match) is type(rest) is chromite.BackgroundFailure
    assert [info.type for info in match.exc_infos] == [KeyError]


def test_names():
    for name in 'ProcessSilentTimeout', 'ProcessUnexpectedExit', 'ProcessExitTimeout':
        assert issubclass(getattr(chromite, name), StepError)
    assert chromite.SILENT_TIMEOUT == 8700


def test_manager():
    with chromite.Manager() as manager:
        queue = manager.Queue()
        queue.put(3)
        assert queue.get() == 3


def test_exit_with_parent():
    code = (
        'from parallel_glib.chromite import *; import signal; print(ExitWithParent(signal.SIGTERM))'
    )
    done = subprocess.run([sys.executable, '-c', code], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b'True\n'
    assert signal.SIGHUP
