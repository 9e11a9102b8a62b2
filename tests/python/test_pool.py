# SPDX-License-Identifier: LGPL-2.1-or-later
"""run_tasks_in_process_pool() and map()."""

import itertools
import time

import pytest
from parallel_glib import BackgroundFailure, map, run_tasks_in_process_pool

import support


def slow_first(number):
    time.sleep(0.2 if number == 0 else 0)
    return number


def fail_on(bad, number):
    if number == bad:
        raise ValueError(number)
    return number


class Counting:
    """An endless iterator that knows how much was taken."""

    def __init__(self):
        self.taken = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.taken += 1
        return self.taken - 1


def sleep_a_little(number):
    time.sleep(0.005)
    return number


def test_results_in_input_order(backend):
    assert run_tasks_in_process_pool(slow_first, [(number,) for number in range(20)]) == list(
        range(20)
    )


def test_no_inputs(backend):
    assert run_tasks_in_process_pool(slow_first, []) == []


def test_inputs_of_a_generator(backend):
    assert run_tasks_in_process_pool(pow, ((number, 2) for number in range(5))) == [0, 1, 4, 9, 16]


def test_failures_and_results(backend):
    with pytest.raises(BackgroundFailure) as caught:
        run_tasks_in_process_pool(fail_on, [(3, number) for number in range(6)], processes=2)
    assert [entry.index for entry in caught.value.failures] == [3]
    assert caught.value.results == {number: number for number in range(6) if number != 3}


def test_the_others_run(backend):
    with pytest.raises(BackgroundFailure) as caught:
        run_tasks_in_process_pool(fail_on, [(0, number) for number in range(1000)], processes=4)
    assert len(caught.value.results) == 999


def test_inputs_that_raise(backend):
    def inputs():
        yield (1, 2)
        raise LookupError('no more')

    with pytest.raises(LookupError, match='no more'):
        run_tasks_in_process_pool(pow, inputs())


@pytest.mark.parametrize('inputs', ['abc', ['abc'], [1]])
def test_wrong_inputs(backend, inputs):
    with pytest.raises(TypeError):
        run_tasks_in_process_pool(print, inputs)


def test_map(backend):
    assert list(map(pow, [2, 3, 4], [3, 2])) == [8, 9]
    assert list(map(slow_first, range(10), processes=3)) == list(range(10))
    assert sorted(map(slow_first, range(10), ordered=False)) == list(range(10))
    assert list(map(slow_first, [])) == []


def first_waits_for(path, number):
    if number == 0:
        support.await_true(path.exists)
    return number


def test_map_as_they_come(processes, tmp_path):
    path = tmp_path / 'go'
    results = map(first_waits_for, itertools.repeat(path), range(3), processes=2, ordered=False)
    assert {next(results), next(results)} == {1, 2}
    path.touch()
    assert list(results) == [0]


def test_map_of_an_endless_iterable(backend):
    inputs = Counting()
    results = map(slow_first, inputs, processes=2, batch_size=1)
    assert inputs.taken == 0
    assert list(itertools.islice(results, 1000)) == list(range(1000))
    results.close()
    assert inputs.taken <= 1000 + 2 * 64


def test_map_of_slow_steps(processes):
    """Of those fewer inputs are taken before their turn."""
    inputs = Counting()
    results = map(sleep_a_little, inputs, processes=2)
    assert list(itertools.islice(results, 20)) == list(range(20))
    results.close()
    assert inputs.taken <= 20 + 2 * 8


def test_map_that_is_forgotten(backend):
    results = map(slow_first, Counting(), processes=2)
    assert next(results) == 0
    del results


def test_a_failure_in_its_place(backend):
    results = map(fail_on, itertools.repeat(3), itertools.count(), processes=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(BackgroundFailure) as caught:
        next(results)
    assert caught.value.failures[0].index == 3
    with pytest.raises(StopIteration):
        next(results)


def test_map_without_iterables():
    with pytest.raises(TypeError, match='at least one iterable'):
        map(print)


def test_map_within_map(backend):
    def inner(number):
        return sum(map(pow, range(number), itertools.repeat(2)))

    assert list(map(inner, range(4), processes=2)) == [0, 0, 1, 5]
