# SPDX-License-Identifier: LGPL-2.1-or-later
"""The package as a whole: its examples, its names, what a worker loads of it."""

import doctest
import importlib
import pathlib
import subprocess
import sys

import parallel_glib
import pytest

FOLDER = pathlib.Path(parallel_glib.__file__).parent
MODULES = sorted(
    path.stem
    for path in FOLDER.glob('*.py')
    if path.stem not in ('__init__', '_worker', '_forkserver')
)


@pytest.mark.parametrize('name', ['', *MODULES])
def test_examples(name):
    module = importlib.import_module(f'parallel_glib.{name}'.rstrip('.'))
    for public in parallel_glib.__all__:
        # Loaded by being asked for; the classes are documented where they are imported from.
        getattr(parallel_glib, public)
    failed, _ = doctest.testmod(module, optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    assert failed == 0


def test_each_public_name_is_documented_with_an_example():
    for name in parallel_glib.__all__:
        documented = getattr(parallel_glib, name).__doc__
        assert documented, f'{name} has no docstring'
    for name in (
        'run_parallel_steps',
        'BackgroundTaskRunner',
        'run_tasks_in_process_pool',
        'map',
        'Executor',
        'run_parallel_steps_async',
        'Command',
        'Failure',
        'BackgroundFailure',
        'set_start_method',
    ):
        assert '>>> ' in getattr(parallel_glib, name).__doc__, f'{name} has no example'


def test_it_is_typed():
    assert (FOLDER / 'py.typed').exists()


def test_unknown_name():
    with pytest.raises(AttributeError):
        parallel_glib.nothing


def test_a_worker_loads_little():
    code = (
        'import sys, parallel_glib._calls; '
        'unwanted = {"gi", "asyncio", "concurrent.futures", "parallel_glib._process"}; '
        'print(*sorted(unwanted & set(sys.modules)))'
    )
    done = subprocess.run([sys.executable, '-c', code], stdout=subprocess.PIPE, check=True)
    assert done.stdout == b'\n'
