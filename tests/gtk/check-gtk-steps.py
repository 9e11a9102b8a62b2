#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check-gtk-steps.py [OPTION] COMMAND [ARGUMENT...]: runs the example with a window.

COMMAND is how it is started. It is driven by its actions, and seen as an assistive technology sees it.

With --screenshot FILE it is only pictured, with its demonstration. With --frames MODULE, where MODULE
is frame-gaps.so, it runs thousands of steps, and the time between its frames is printed: once with
the list as it is, once while the list follows what runs.
"""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback

try:
    import gi

    gi.require_version('GdkPixbuf', '2.0')
    gi.require_version('Gtk', '4.0')
    import desktop
    from gi.repository import GLib
except (ImportError, ValueError) as error:
    print(f'1..0 # SKIP {error}')
    sys.exit(0)

NAME = 'org.example.GtkSteps'
PATH = '/org/example/GtkSteps'
ACTIONS = 'org.gtk.Actions'

N_MANY = 2000
# So many steps may end between two answers of the program. It is not asked how long an answer takes:
# on a slow machine the steps are slow, too.
MOST_BETWEEN_ANSWERS = N_MANY // 4


def equal(value, expected):
    if value != expected:
        raise AssertionError(f'{value!r:.2000} is not {expected!r:.2000}')


def summary(running=0, waiting=0, succeeded=0, failed=0, halted=0):
    return (f'{running} running, {waiting} waiting, {succeeded} succeeded, '
            f'{failed} failed, {halted} halted')


class Program:
    """The program while it runs."""

    def __init__(self, place, process):
        self._place = place
        self._process = process
        place.embedded = None
        self._await(lambda: place.embedded is not None and place.owner(NAME),
                    lambda: f'{NAME} has not come')

    def _await(self, condition, describe):
        """Returns when something has happened after which the condition holds."""
        wrong = []

        def on_limit():
            wrong.append('it takes too long')
            return GLib.SOURCE_CONTINUE

        def on_end(_descriptor, _condition):
            wrong.append('the program has ended')
            return GLib.SOURCE_CONTINUE

        descriptor = os.pidfd_open(self._process.pid)
        end = GLib.unix_fd_add_full(GLib.PRIORITY_DEFAULT, descriptor, GLib.IOCondition.IN, on_end)
        limit = GLib.timeout_add_seconds(desktop.LIMIT, on_limit)
        try:
            while not condition():
                if wrong:
                    raise AssertionError(f'{wrong[0]}: {describe()}')
                GLib.MainContext.default().iteration(True)
        finally:
            GLib.source_remove(end)
            GLib.source_remove(limit)
            os.close(descriptor)

    def call(self, method, signature=None, *arguments):
        return self._place.call(NAME, PATH, ACTIONS, method, signature, *arguments)

    def activate(self, action, *parameters):
        self.call('Activate', '(sava{sv})', action, parameters, {})

    def describe(self, action):
        """Whether it is enabled, and its state."""
        enabled, _type, state = self.call('Describe', '(s)', action)[0]
        return enabled, state[0] if state else None

    def summary(self):
        return self.describe('summary')[1]

    def await_summary(self, **counts):
        self._await(lambda: self.summary() == summary(**counts), self.summary)

    def await_text(self, text):
        self._await(lambda: self.text() == text, self.text)

    def await_rows(self, condition):
        def holds():
            # The list may change under the hands of who looks through it.
            with contextlib.suppress(GLib.Error):
                return condition(self.rows())
            return False

        self._await(holds, self.summary)

    def accessibles(self):
        return list(self._place.accessibles(*self._place.embedded))

    def text(self):
        """What is shown of the selected step's output."""
        return next(one.text for one in self.accessibles() if one[:2] == ('text box', 'Output'))

    def labels(self):
        return [one.name for one in self.accessibles() if one.role == 'label']

    def rows(self):
        """Of each step in the list: its name, its last line, its state."""
        rows = []
        for one in self.accessibles():
            if one.role == 'list item':
                rows.append([])
            elif one.name == 'GtkPanedHandle':
                break
            elif one.role == 'label' and rows:
                rows[-1].append(one.name)
        # The last one is the time, which nobody can know. An empty label GTK names by its type.
        for row in rows:
            equal(row[-1] == 'GtkLabel' or row[-1].endswith(' s'), True)
        return [(row[0], ''.join(row[1:-2]), row[-2]) for row in rows]


@contextlib.contextmanager
def running(place, command, *arguments):
    """The program, which has to end well when it is told to, and may leave nothing behind."""
    before = desktop.children()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen([*command, *arguments], env=place.environment,
                                   stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            program = Program(place, process)
            yield program
            program.activate('quit')
            status = process.wait(desktop.LIMIT)
        except BaseException:
            process.kill()
            process.wait()
            output.seek(0)
            print('# It printed: ' + repr(output.read().decode()))
            raise
        output.seek(0)
        equal((status, output.read().decode()), (0, ''))
    left = desktop.children() - before
    # The guardian sees that the program is gone, and goes. What has no command line any more has gone.
    lines = filter(None, map(desktop.command_line, left))
    equal([line for line in lines if 'parallel-glib-exec' not in line], [])
    for pid in left:
        desktop.await_end(pid)


def shows_steps(place, command):
    commands = 'echo out; echo err >&2; exit 3', 'printf "fine\\n\\303\\244"', 'kill -TERM $$'
    with running(place, command, *commands) as program:
        program.await_summary(succeeded=1, failed=2)
        equal(program.rows(), [
            (commands[0], 'err', 'Failed'),
            (commands[1], '\u00e4', 'Succeeded'),
            (commands[2], '', 'Failed'),
        ])
        program.await_text('out\nerr\n')
        equal('\u201c/bin/sh\u201d exited with status 3' in program.labels(), True)
        equal(summary(succeeded=1, failed=2) in program.labels(), True)
        program.activate('select', GLib.Variant('u', 1))
        equal(program.text(), 'fine\n\u00e4')
        equal(program.describe('halt'), (False, None))


def adds_steps(place, command):
    with running(place, command, 'echo one') as program:
        program.await_summary(succeeded=1)
        program.activate('add', GLib.Variant('s', 'echo two'))
        program.await_summary(succeeded=2)
        # A second start of the program gives its commands to the first one.
        second = subprocess.run([*command, 'echo three'], env=place.environment, capture_output=True,
                                check=False)
        equal((second.returncode, second.stdout, second.stderr), (0, b'', b''))
        program.await_summary(succeeded=3)
        equal([row[0] for row in program.rows()], ['echo one', 'echo two', 'echo three'])


def obeys_keys(place, command):
    with running(place, command, 'echo one', 'echo two') as program:
        program.await_summary(succeeded=2)
        # Before that, nobody hears a key.
        await_picture(place, program)
        equal(program.text(), 'one\n')
        place.press('Down')
        program.await_text('two\n')
        place.press('Control', 'n')
        for key in *'echo typed', 'Return':
            place.press(key)
        program.await_summary(succeeded=3)
        equal(program.rows()[2], ('echo typed', 'typed', 'Succeeded'))


def retries_what_failed(place, command):
    with running(place, command, 'echo no; false', 'echo yes') as program:
        program.await_summary(succeeded=1, failed=1)
        equal(program.describe('retry'), (True, None))
        program.activate('retry')
        program.await_summary(succeeded=1, failed=2)
        # Not what was tried again already.
        program.activate('retry')
        program.await_summary(succeeded=1, failed=3)
        equal(program.rows(), [('echo no; false', 'no', 'Failed'), ('echo yes', 'yes', 'Succeeded'),
                               ('echo no; false', 'no', 'Failed'), ('echo no; false', 'no', 'Failed')])


def halts(place, command):
    with running(place, command, '--jobs=2', 'sleep 1000', 'sleep 1001', 'sleep 1002') as program:
        program.await_summary(running=2, waiting=1)
        equal(program.describe('retry'), (False, None))
        program.activate('halt')
        program.await_summary(halted=3)
        equal(program.describe('halt'), (False, None))
        equal([row[2] for row in program.rows()], ['Halted', 'Halted', 'Skipped'])
        program.activate('retry')
        program.await_summary(running=2, waiting=1, halted=3)
        equal([row[2] for row in program.rows()],
              ['Halted', 'Halted', 'Skipped', 'Running', 'Running', 'Waiting'])
        # And now it is closed, with steps that run.


def follows_output(place, command):
    with tempfile.TemporaryDirectory() as scratch:
        fifo = pathlib.Path(scratch, 'fifo')
        os.mkfifo(fifo)
        with (
            running(place, command, f'printf "first\\n\\303"; cat {fifo}') as program,
            fifo.open('wb') as writer,
        ):
            # Not the half of a character.
            program.await_text('first\n')
            equal([row[2] for row in program.rows()], ['Running'])
            writer.write(b'\xa4\n' + b'x' * 100_000 + b'\n')
            writer.flush()
            # Its end, of bytes and of characters.
            program.await_text('x' * 65535 + '\n')
            writer.close()
            program.await_summary(succeeded=1)
            equal(program.text(), 'x' * 65535 + '\n')


def runs_thousands(place, command):
    with running(place, command, f'--steps={N_MANY}') as program:
        finished = [0]
        while finished[-1] < N_MANY:
            counts = program.summary().split()
            finished.append(int(counts[4]) + int(counts[6]))
        steps = [after - before for before, after in zip(finished, finished[1:])]
        equal([step for step in steps if not 0 <= step <= MOST_BETWEEN_ANSWERS], [])
        program.await_summary(succeeded=N_MANY * 9 // 10, failed=N_MANY // 10)
        print(f'# {len(steps)} answers meanwhile, at most {max(steps)} steps between two of them')
        program.activate('select', GLib.Variant('u', N_MANY - 1))
        equal(program.text(), f'step {N_MANY}\n')
        # The rows of the first steps are now those of the last ones.
        last = str(N_MANY), f'step {N_MANY}', 'Failed'
        program.await_rows(lambda rows: last in rows)
        for name, line, state in program.rows():
            equal((line, state), (f'step {name}', 'Succeeded' if int(name) % 10 else 'Failed'))


def draws_window(place, command):
    with running(place, command, 'echo one', 'false') as program:
        program.await_summary(succeeded=1, failed=1)
        await_picture(place, program)


def colours(picture):
    """Those that stand between its lines, in what is black around it, are among them."""
    return set(zip(*[iter(picture.get_pixels())] * 3))


def await_picture(place, program):
    """Returns a picture of more than a plain window: it is drawn after the program has answered."""
    while True:
        picture = place.picture()
        if picture is not None and len(colours(picture)) > 100:
            return picture
        program.summary()


def take_screenshot(place, command, path):
    with running(place, command, '--jobs=3') as program:
        await_count(program, 4)
        states = [row[2] for row in program.rows()]
        program.activate('select', GLib.Variant('u', states.index('Failed')))
        # By then it is drawn.
        await_count(program, 8)
        place.picture().savev(path, 'png', ['compression'], ['9'])


def await_count(program, number):
    """Returns when the step of the demonstration that counts has come so far."""

    def is_there(rows):
        lines = (line for name, line, _state in rows if name == 'Count to twenty')
        return any(int(line.partition(' of ')[0]) >= number for line in lines if line)

    program.await_rows(is_there)


def measure_frames(place, command, module):
    place.environment['LD_PRELOAD'] = module
    for follow in False, True:
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen([*command, f'--steps={N_MANY}'], stderr=output, env=place.environment)
            program = Program(place, process)
            finished = 0
            while finished < N_MANY:
                counts = program.summary().split()
                finished = int(counts[4]) + int(counts[6])
                if follow:
                    program.activate('select', GLib.Variant('u', min(finished, N_MANY - 1)))
            program.activate('quit')
            process.wait(desktop.LIMIT)
            output.seek(0)
            print('following: ' if follow else 'still: ', output.read().decode(), end='')


TESTS = [
    shows_steps,
    adds_steps,
    obeys_keys,
    retries_what_failed,
    halts,
    follows_output,
    runs_thousands,
    draws_window,
]


def run_tests(place, command):
    failed = False
    print(f'1..{len(TESTS)}')
    for number, test in enumerate(TESTS, 1):
        try:
            test(place, command)
        except Exception:
            failed = True
            print(f'not ok {number} - {test.__name__}', flush=True)
            print('#   ' + traceback.format_exc().rstrip().replace('\n', '\n#   '))
        else:
            print(f'ok {number} - {test.__name__}', flush=True)
    return failed


def main(arguments):
    lacking = desktop.missing()
    if lacking:
        print(f'1..0 # SKIP not installed: {", ".join(lacking)}')
        return 0
    desktop.adopt_orphans()
    with tempfile.TemporaryDirectory() as scratch, desktop.desktop(pathlib.Path(scratch)) as place:
        if arguments[0] == '--screenshot':
            take_screenshot(place, arguments[2:], arguments[1])
            return 0
        if arguments[0] == '--frames':
            measure_frames(place, arguments[2:], arguments[1])
            return 0
        return run_tests(place, arguments)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
