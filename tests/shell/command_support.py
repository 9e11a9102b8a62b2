# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the command parallel-glib share: TAP, folders, processes, FIFOs.

Nothing here waits for a time to pass. What a step and a test have to say to each other goes
through FIFOs, and every wait has a limit that is only reached when something is broken.
"""

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

LIMIT = 60 * float(os.environ.get("PARALLEL_TEST_TIME_FACTOR", "1"))

COMMAND = os.path.abspath(sys.argv[1])

_tests = []


class Skip(Exception):
    """Says why a test cannot be made here."""


def test(function):
    """A test; its description is the function's first line of documentation."""
    _tests.append(function)
    return function


def main():
    failed = 0
    print(f"1..{len(_tests)}", flush=True)
    for number, function in enumerate(_tests, 1):
        name = function.__doc__.strip().splitlines()[0].rstrip(".")
        folder = tempfile.mkdtemp(prefix="parallel-glib-test-")
        before = os.getcwd()
        os.chdir(folder)
        try:
            function()
            print(f"ok {number} - {name}", flush=True)
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {reason}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"not ok {number} - {name}")
            for line in traceback.format_exc().splitlines():
                print(f"#   {line}")
            sys.stdout.flush()
        finally:
            os.chdir(before)
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)


def equal(actual, expected, what="value"):
    assert actual == expected, f"{what} is {actual!r}, not {expected!r}"


def contains(text, part):
    assert part in text, f"{part!r} is not in {text!r}"


def lacks(text, part):
    assert part not in text, f"{part!r} is in {text!r}"


def run(*args, stdin=b"", status=0, **options):
    """Runs the command to its end; its exit status must be STATUS."""
    result = subprocess.run([COMMAND, *args], input=stdin, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, timeout=LIMIT, check=False, **options)
    assert result.returncode == status, \
        f"{args}: exit status {result.returncode}, not {status}; stderr: {result.stderr!r}"
    return result


def output(*args, **options):
    """The standard output of a run that succeeds and says nothing else."""
    result = run(*args, **options)
    equal(result.stderr, b"", "stderr")
    return result.stdout


def start(*args, **options):
    """Starts the command; its streams are pipes, its signals the default ones."""
    options.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.Popen([COMMAND, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            **options)


def finish(process, status=0):
    """Waits for the end of what start() started; returns its stdout and stderr."""
    try:
        out, err = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    assert process.returncode == status, \
        f"exit status {process.returncode}, not {status}; stderr: {err!r}"
    return out, err


def wait_until(condition, what):
    """Waits for what has no other way to tell."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.01)


def is_running(pid):
    """Whether a process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def has_sanitizer():
    """Whether the command was built with one, which takes memory of its own."""
    with open(COMMAND, "rb") as binary:
        return b"__asan_init" in binary.read()


def sh(script):
    """A command that runs SCRIPT with the input as $1."""
    return ("sh", "-c", script, "sh")


def write_file(name, data):
    with open(name, "wb") as file:
        file.write(data)


def read_file(name):
    with open(name, "rb") as file:
        return file.read()


class Fifo:
    """A FIFO in the current folder. The test keeps both ends open, so no side waits to open it."""

    def __init__(self, name):
        self.path = os.path.abspath(name)
        os.mkfifo(self.path)
        self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        self._rest = b""

    def __del__(self):
        os.close(self._fd)

    def say(self, count=1):
        """Lets so many steps go on that read a line of it."""
        os.write(self._fd, b"go\n" * count)

    def hear(self, limit=None):
        """The next line that a step wrote, None if there is none within the limit."""
        deadline = time.monotonic() + (LIMIT if limit is None else limit)
        while b"\n" not in self._rest:
            left = max(deadline - time.monotonic(), 0)
            if not select.select([self._fd], [], [], left)[0]:
                assert limit is not None, f"nobody wrote to {self.path}"
                return None
            self._rest += os.read(self._fd, 65536)
        line, self._rest = self._rest.split(b"\n", 1)
        return line


def read_until(stream, part):
    """Reads a pipe or terminal until PART has come; returns all that was read."""
    data = b""
    deadline = time.monotonic() + LIMIT
    while part not in data:
        left = deadline - time.monotonic()
        assert left > 0 and select.select([stream], [], [], left)[0], \
            f"{part!r} did not come: {data!r}"
        more = os.read(stream, 65536)
        assert more, f"the end came before {part!r}: {data!r}"
        data += more
    return data


def restore_signals():
    """For preexec_fn: what a test runner may have set to be ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
