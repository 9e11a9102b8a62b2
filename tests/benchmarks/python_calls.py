#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""python_calls.py MODE N: calls of Python functions, the package beside the standard library and joblib.

Prints how many seconds it took, without the imports, once the results are right.
"""

import concurrent.futures
import multiprocessing
import sys
import time

import parallel_glib

# So that it is not counted: the library itself is loaded when it is first needed.
from parallel_glib._gi import Parallel  # noqa: F401

PROCESSES = 2
MEBIBYTE = 1 << 20


def double(number):
    return 2 * number


def nothing():
    pass


def echo(data):
    return data


# 20,000 calls, put one by one, in any order.


def put_ours(n):
    runner = parallel_glib.BackgroundTaskRunner(double, processes=PROCESSES)
    runner.configure(return_values=True)
    with runner as queue:
        for i in range(n):
            queue.put((i,))
        queue.close()
        return sum(step.result for step in runner) == n * (n - 1)


def put_futures(n):
    with concurrent.futures.ProcessPoolExecutor(PROCESSES) as executor:
        futures = [executor.submit(double, i) for i in range(n)]
        return sum(future.result() for future in futures) == n * (n - 1)


def put_pool(n):
    with multiprocessing.Pool(PROCESSES) as pool:
        results = [pool.apply_async(double, (i,)) for i in range(n)]
        return sum(result.get() for result in results) == n * (n - 1)


# 200,000 items in order.


def map_ours(n):
    return list(parallel_glib.map(double, range(n), processes=PROCESSES)) == expected(n)


def map_pool(n):
    with multiprocessing.Pool(PROCESSES) as pool:
        return pool.map(double, range(n)) == expected(n)


def map_joblib(n):
    import joblib

    start = time.perf_counter()
    ok = joblib.Parallel(PROCESSES)(joblib.delayed(double)(i) for i in range(n)) == expected(n)
    return ok, time.perf_counter() - start


def expected(n):
    return [2 * i for i in range(n)]


# Two calls, again and again with a new pool.


def pool_ours(n):
    return all(
        parallel_glib.run_tasks_in_process_pool(double, [(1,), (2,)], PROCESSES) == [2, 4]
        for _ in range(n)
    )


def pool_futures(n):
    context = multiprocessing.get_context('fork')
    for _ in range(n):
        with concurrent.futures.ProcessPoolExecutor(PROCESSES, mp_context=context) as executor:
            if [executor.submit(double, i).result() for i in (1, 2)] != [2, 4]:
                return False
    return True


# Steps that do nothing.


def steps_ours(n):
    return len(
        parallel_glib.run_parallel_steps([nothing] * n, max_parallel=PROCESSES, return_values=True)
    ) == n


def steps_processes(n):
    ended = 0
    running = []
    while ended < n:
        while len(running) < PROCESSES and ended + len(running) < n:
            process = multiprocessing.Process(target=nothing)
            process.start()
            running.append(process)
        process = running.pop(0)
        process.join()
        if process.exitcode != 0:
            return False
        ended += 1
    return True


# Large arguments and results, in MiB.


def big_ours(n):
    with parallel_glib.Executor(PROCESSES) as executor:
        return big(executor, n)


def big_futures(n):
    with concurrent.futures.ProcessPoolExecutor(PROCESSES) as executor:
        return big(executor, n)


def big(executor, n):
    data = bytes(n * MEBIBYTE)
    return all(future.result() == data for future in [executor.submit(echo, data) for _ in range(4)])


def main(mode, n):
    start = time.perf_counter()
    outcome = globals()[mode](int(n))
    seconds = time.perf_counter() - start
    if isinstance(outcome, tuple):
        outcome, seconds = outcome
    if not outcome:
        raise SystemExit(f'{mode}: wrong results')
    print(f'{seconds:.9f}')


if __name__ == '__main__':
    main(*sys.argv[1:])
