#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""run-cpython-futures.py START_METHOD [TEST...]: runs CPython's own tests of concurrent.futures on
parallel_glib.Executor and reports each as a line of TAP.

They are those of the installed interpreter (Debian's libpython3.11-testsuite). Its mixins of tests
are put together with the executor of cpython_adapter.py. What is not run is in SKIPPED, with the
reason; where a future has another error than CPython's, it is in OTHERWISE.

Not taken at all: FutureTests, which are about concurrent.futures.Future alone, and what is written
for the threads of ThreadPoolExecutor.
"""

import contextlib
import fnmatch
import sys
import time
import unittest
from pickle import UnpicklingError

import cpython_adapter
from cpython_adapter import BreakingExecutor, ProcessPoolExecutor
from parallel_glib import StepError
from test import support
from test import test_concurrent_futures as cpython

OWN = 'the same by what can be seen from outside: test_executor.py, '
WITHOUT_STARTING = 'not about how processes start: run with forkserver only'

# By name, or by name and start method; the first that fits.
SKIPPED = {
    'Shutdown.test_context_manager_shutdown': (
        f'makes a ProcessPoolExecutor by itself and joins its _processes; {OWN}test_shutdown, '
        'test_no_process_is_left'
    ),
    'Shutdown.test_del_shutdown': (
        f'makes a ProcessPoolExecutor by itself and joins its _executor_manager_thread; '
        f'{OWN}test_forgotten'
    ),
    'Shutdown.test_shutdown_no_wait': (
        f'makes a ProcessPoolExecutor by itself and joins its _executor_manager_thread; '
        f'{OWN}test_shutdown_without_waiting'
    ),
    'Shutdown.test_processes_terminate': f'counts _processes; {OWN}test_no_process_is_left',
    'Executor.test_idle_process_reuse_multiple': (
        f'counts _processes; {OWN}test_idle_worker_is_used_again'
    ),
    'Executor.test_idle_process_reuse_one': (
        f'counts _processes; {OWN}test_idle_worker_is_used_again'
    ),
    'Executor.test_killed_child': (
        f'kills one of _processes; {OWN}test_worker_killed, test_worker_killed_breaks_if_asked'
    ),
    'Executor.test_max_tasks_per_child': (
        f'counts _processes, and refuses the start method fork, which works here; '
        f'{OWN}test_max_tasks_per_child'
    ),
    'Executor.test_max_tasks_per_child_defaults_to_spawn_context': (
        'looks at _mp_context: there is no mp_context here, and no start method is excluded'
    ),
    'Executor.test_saturation': f'counts _processes; {OWN}test_no_more_than_max_workers',
    'Executor.test_traceback': (
        f'asks for the private class _RemoteTraceback; {OWN}test_traceback_of_the_worker'
    ),
    'Deadlock.test_shutdown_deadlock_pickle': (
        f'joins _executor_manager_thread; {OWN}test_shutdown_after_what_cannot_be_pickled'
    ),
    'Wait.* fork': WITHOUT_STARTING,
    'Wait.* spawn': WITHOUT_STARTING,
    'AsCompleted.* fork': WITHOUT_STARTING,
    'AsCompleted.* spawn': WITHOUT_STARTING,
    'Executor.test_map_timeout fork': WITHOUT_STARTING,
    'Executor.test_map_timeout spawn': WITHOUT_STARTING,
    'Deadlock.* spawn': WITHOUT_STARTING,
}

# What is no part of the contract and not to be copied: by test, what the future has here.
OTHERWISE = {
    'test_error_at_task_unpickle': (StepError, 'the worker survives it, and only its future fails'),
    'test_exit_at_task_unpickle': (StepError, 'the worker survives it, and only its future fails'),
    'test_error_during_result_pickle_on_worker': (StepError, 'the error says what could not be'),
    'test_exit_during_result_pickle_on_worker': (StepError, 'the error says what could not be'),
    'test_error_during_result_unpickle_in_result_handler': (
        UnpicklingError,
        'the executor survives it, and only its future fails',
    ),
    'test_exit_during_result_unpickle_in_result_handler': (
        SystemExit,
        'the executor survives it, and only its future fails',
    ),
}


class Mixin(cpython.ExecutorMixin):
    """In the place of ProcessPoolForkMixin and the like."""

    executor_type = ProcessPoolExecutor
    ctx = None  # set by main()


class FailingInitializerTests(cpython.FailingInitializerMixin):
    """The log is no part of the contract; that the error is told of is."""

    def setUp(self):
        self.executor_kwargs = {'initializer': cpython.init_fail}
        cpython.ExecutorMixin.setUp(self)

    @contextlib.contextmanager
    def _assert_logged(self, message):
        yield
        text = message.removeprefix('ValueError: ')
        with self.assertRaisesRegex(cpython.BrokenProcessPool, text):
            self.executor.submit(int)


class DeadlockTests(cpython.ExecutorDeadlockTest):
    """Of executors that break."""

    executor_type = BreakingExecutor
    TIMEOUT = 30

    def _check_crash(self, error, *arguments, **keywords):
        error, _ = OTHERWISE.get(self._testMethodName, (error, ''))
        super()._check_crash(error, *arguments, **keywords)


TESTS = {
    'Initializer': cpython.InitializerMixin,
    'FailingInitializer': FailingInitializerTests,
    'Shutdown': cpython.ProcessPoolShutdownTest,
    'Wait': cpython.WaitTests,
    'AsCompleted': cpython.AsCompletedTests,
    'Executor': cpython.ProcessPoolExecutorTest,
    'Deadlock': DeadlockTests,
}


class TapResult(unittest.TestResult):
    """Writes a line of TAP for each test."""

    def __init__(self):
        super().__init__()
        self._number = 0

    def startTest(self, test):
        super().startTest(test)
        self._failed = False
        support.environment_altered = False
        self._begin = time.monotonic()

    def addSuccess(self, test):
        if support.environment_altered:
            # Threads or processes, by the check of the test package itself.
            self._line('not ok', test, ' - something is left behind')
            self.failures.append((test, ''))
            return
        _, reason = OTHERWISE.get(test._testMethodName, ('', ''))
        note = f'with another error than in ProcessPoolExecutor: {reason}' if reason else ''
        self._line('ok', test, f' ({time.monotonic() - self._begin:.1f} s)', note)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._line('ok', test, f' # SKIP {reason}')

    def addError(self, test, err):
        super().addError(test, err)
        self._fail(test, self.errors[-1][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._fail(test, self.failures[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._fail(test, str(err[1]))

    def _fail(self, test, text):
        self._line('not ok', test, '', text)

    def _line(self, result, test, directive, text=''):
        self._number += 1
        print(f'{result} {self._number} - {name_of(test)}{directive}', flush=True)
        for line in text.splitlines():
            print(f'#   {line}', flush=True)


def name_of(test):
    return f'{type(test).__name__}.{test._testMethodName}'


def reason_to_skip(test):
    for pattern, reason in SKIPPED.items():
        for name in (name_of(test), f'{name_of(test)} {test.ctx}'):
            if fnmatch.fnmatchcase(name, pattern):
                return reason
    return None


def collect(method, patterns):
    loader = unittest.TestLoader()
    tests = []
    for name, tests_of in TESTS.items():
        case = type(name, (tests_of, Mixin, cpython.BaseTestCase), {'ctx': method})
        tests += loader.loadTestsFromTestCase(case)
    return [
        test
        for test in tests
        if not patterns or any(fnmatch.fnmatchcase(name_of(test), pattern) for pattern in patterns)
    ]


def check_tables(tests):
    """Nothing is excused that is not there."""
    names = [name_of(test) for test in tests]
    for pattern in SKIPPED:
        assert fnmatch.filter(names, pattern.split(' ')[0]), f'no test is {pattern}'
    for method in OTHERWISE:
        assert f'Deadlock.{method}' in names, f'no test is {method}'


def main(method, *patterns):
    real_assert_python_ok = cpython.assert_python_ok
    start = cpython_adapter.prelude(method)
    cpython.assert_python_ok = lambda option, code: real_assert_python_ok(
        option, start + code, __isolated=False
    )
    check_tables(collect(method, ()))
    # Its progress does not belong in TAP.
    support.verbose = 0
    tests = collect(method, patterns)
    print(f'1..{len(tests)}', flush=True)
    result = TapResult()
    for test in tests:
        reason = reason_to_skip(test)
        if reason:
            result.addSkip(test, reason)
        else:
            test.run(result)
    return 0 if result.wasSuccessful() else 1


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
