# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the Python package share: they run over each backend that there is."""

import contextlib
import gc
import os
import threading
import time

import parallel_glib
import pytest
from parallel_glib import testing

pytest.register_assert_rewrite('worker_support')

METHODS = ['forkserver', 'fork', 'spawn']


def pytest_configure(config):
    config.addinivalue_line('markers', 'start_methods(name, ...): with these start methods only')


def pytest_generate_tests(metafunc):
    if 'backend' in metafunc.fixturenames:
        metafunc.parametrize('backend', ['serial', *METHODS], indirect=True)
    if 'processes' in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker('start_methods')
        metafunc.parametrize(
            'processes',
            [method for method in METHODS if only is None or method in only.args],
            indirect=True,
        )


@contextlib.contextmanager
def start_method(method):
    before = parallel_glib.get_start_method()
    parallel_glib.set_start_method(method)
    try:
        yield method
    finally:
        parallel_glib.set_start_method(before)


@pytest.fixture
def backend(request):
    """Each way to run steps, this process among them."""
    if request.param == 'serial':
        with testing.serial():
            yield 'serial'
    else:
        with start_method(request.param) as method:
            yield method


@pytest.fixture
def processes(request):
    """Each way to start worker processes."""
    with start_method(request.param) as method:
        yield method


@pytest.fixture
def worker():
    """A Python worker that has been greeted."""
    import worker_support

    with worker_support.Worker() as greeted:
        greeted.handshake()
        yield greeted


@pytest.fixture(autouse=True)
def nothing_left():
    """No test leaves threads or descriptors behind.

    The library keeps a few, from its first use on.
    """
    before_threads = set(threading.enumerate())
    before = len(os.listdir('/proc/self/fd'))
    yield
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        threads = [
            thread
            for thread in set(threading.enumerate()) - before_threads
            # Threads of the library that have called a function of Python's.
            if thread.is_alive() and not isinstance(thread, threading._DummyThread)
        ]
        if not threads:
            break
        time.sleep(0.01)
    assert not threads, f'still alive: {threads}'
    if len(os.listdir('/proc/self/fd')) > before + 30:
        gc.collect()  # What interrupts have left in cycles of frames.
    assert len(os.listdir('/proc/self/fd')) <= before + 30
