#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check-program.py NAME COMMAND [ARGUMENT...]: runs one of the three programs that the examples have in each language.

NAME is convert-folder, hash-tree or fetch-all; the rest is how the program is started. What each is held to stands in
docs/examples/README.md.
"""

import contextlib
import hashlib
import http.server
import itertools
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import traceback

AT_ONCE = 4
# Only for a program that asks for fewer at once than it should: then the test fails instead of waiting for ever.
PATIENCE = 60
# For one that asks for more at once: so long it has to do it.
CALM = 0.1


def run(command, *arguments):
    environment = {**os.environ, 'LC_ALL': 'C.UTF-8'}
    done = subprocess.run([*command, *arguments], stdin=subprocess.DEVNULL, capture_output=True, env=environment, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def equal(value, expected):
    if value != expected:
        raise AssertionError(f'{value!r:.2000} is not {expected!r:.2000}')


def begins_with(text, beginnings):
    """Each line with its own, and there are no more lines."""
    pairs = itertools.zip_longest(text.splitlines(), beginnings, fillvalue='')
    equal([line[:len(beginning)] for line, beginning in pairs], beginnings)


def usage(command):
    status, stdout, stderr = run(command)
    equal((status, stdout, stderr.startswith('usage: ')), (2, '', True))


# convert-folder


def converted(command, files):
    """Runs the program on a folder of such files; returns what run() does, and what is in the other folder then."""
    with tempfile.TemporaryDirectory() as scratch:
        source, dest = pathlib.Path(scratch, 'from here'), pathlib.Path(scratch, 'to there')
        source.mkdir()
        dest.mkdir()
        for name, contents in files.items():
            (source / name).write_bytes(contents)
        outcome = run(command, str(source), str(dest))
        return outcome, {path.name: path.read_bytes() for path in dest.iterdir()}


def converts_all(command):
    # Not an empty one: iconv makes no file then.
    texts = {f'{number:02}.txt': f'{number} \u20ac \u00e4\n' * number for number in range(1, 31)}
    texts['a name; with $(spaces) {}'] = 'x'
    outcome, made = converted(command, {name: text.encode() for name, text in texts.items()})
    equal(outcome, (0, ''.join(f'{name}: converted\n' for name in sorted(texts)), ''))
    equal(made, {name: text.encode('iso-8859-15') for name, text in texts.items()})


def converts_the_others(command):
    files = {'a': b'good\n', 'b': b'bad \xff\n', 'c': 'no snow there: \u2603\n'.encode(), 'd': b'good\n'}
    (status, stdout, stderr), made = converted(command, files)
    equal((status, stdout), (1, 'a: converted\nb: failed\nc: failed\nd: converted\n'))
    equal([line for line in stderr.splitlines() if not line.startswith('iconv: ')], ['b: exit status 1', 'c: exit status 1'])
    equal(stderr.count('iconv: '), 2)
    equal((made['a'], made['d']), (b'good\n', b'good\n'))


def converts_nothing(command):
    equal(converted(command, {}), ((0, '', ''), {}))


# hash-tree


def hashes(command, files):
    with tempfile.TemporaryDirectory() as scratch:
        # A relative path, since paths are printed as they were given.
        top = pathlib.Path(os.path.relpath(scratch), 'a tree')
        top.mkdir()
        expected = []
        for name, contents in files.items():
            path = top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents)
            expected.append((str(path), hashlib.sha256(contents).hexdigest()))
        (top / 'link').symlink_to('/etc/passwd')
        (top / 'empty folder').mkdir()
        equal(run(command, str(top)), (0, ''.join(f'{digest}  {path}\n' for path, digest in sorted(expected)), ''))


def hashes_a_tree(command):
    files = {f'{number % 3}/{number % 2}/file {number}': os.urandom(number * 100) for number in range(40)}
    # More than is read at once, names that sort between a folder and what is in it, and one that is not ASCII.
    files |= {'big': os.urandom(3 << 20), '0.txt': b'', '0-': b'x', '\u00e4/\u2603': b'y', '.hidden': b'z'}
    hashes(command, files)


def hashes_nothing(command):
    hashes(command, {})


def hashes_the_others(command):
    # What lets root read every file is taken from the program.
    limited = ['setpriv', '--bounding-set', '-dac_override,-dac_read_search', *command] if os.geteuid() == 0 else command
    with tempfile.TemporaryDirectory() as top:
        for name in 'abcd':
            pathlib.Path(top, name).write_bytes(name.encode())
        for name in 'bd':
            pathlib.Path(top, name).chmod(0)
        status, stdout, stderr = run(limited, top)
        equal((status, stdout), (1, ''.join(f'{hashlib.sha256(name.encode()).hexdigest()}  {top}/{name}\n' for name in 'ac')))
        begins_with(stderr, [f'{top}/b: ', f'{top}/d: '])


# fetch-all


# In place of a body; with None there is nothing at that place.
NO_ANSWER = object()


class Server(http.server.ThreadingHTTPServer):
    """Knows how many requests are under way. It answers four together, so that as many as may be come at once."""

    request_queue_size = 128

    def __init__(self, bodies):
        super().__init__(('127.0.0.1', 0), Handler)
        self.bodies = bodies
        self.changed = threading.Condition()
        self.n_arrived = self.n_now = self.n_most = 0

    def arrive(self):
        with self.changed:
            self.n_arrived += 1
            self.n_now += 1
            self.n_most = max(self.n_most, self.n_now)
            last = min(-(-self.n_arrived // AT_ONCE) * AT_ONCE, len(self.bodies))
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.n_arrived >= last, PATIENCE)
            self.changed.wait_for(lambda: self.n_arrived > last, CALM)
            # Before the answer: with its last byte the next request may come.
            self.n_now -= 1


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.arrive()
        body = self.server.bodies[self.path]
        if body is NO_ANSWER:
            return
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        pass


@contextlib.contextmanager
def serving(bodies):
    with Server(bodies) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server, f'http://127.0.0.1:{server.server_port}'
        finally:
            server.shutdown()
            thread.join()


def fetches_all(command):
    bodies = {f'/{number}?x={number}': b'x\r\n\r\n' * (number * number * 100) for number in range(14)}
    with serving(bodies) as (server, address):
        outcome = run(command, *(address + path for path in bodies))
        equal(outcome, (0, ''.join(f'200 {len(body)} {address}{path}\n' for path, body in bodies.items()), ''))
        equal((server.n_arrived, server.n_most), (len(bodies), AT_ONCE))


def fetches_the_others(command):
    bodies = {'/a': b'a', '/dropped': NO_ANSWER, '/not-there': None, '/b': b'bb'}
    # A port that is taken, at which nobody listens.
    with socket.socket() as silent, serving(bodies) as (_server, address):
        silent.bind(('127.0.0.1', 0))
        refused = f'http://127.0.0.1:{silent.getsockname()[1]}/refused'
        status, stdout, stderr = run(command, f'{address}/a', refused, *(address + path for path in [*bodies][1:]))
        equal((status, [line.split(' ')[::2] for line in stdout.splitlines()]),
              (1, [['200', f'{address}/a'], ['404', f'{address}/not-there'], ['200', f'{address}/b']]))
        equal([line.split(' ')[1] for line in stdout.splitlines()][::2], ['1', '2'])
        begins_with(stderr, [f'{refused}: ', f'{address}/dropped: '])


TESTS = {
    'convert-folder': [converts_all, converts_the_others, converts_nothing, usage],
    'hash-tree': [hashes_a_tree, hashes_the_others, hashes_nothing, usage],
    'fetch-all': [fetches_all, fetches_the_others, usage],
}


def main(name, *command):
    failed = False
    print(f'1..{len(TESTS[name])}')
    for number, test in enumerate(TESTS[name], 1):
        try:
            test(command)
        except Exception:
            failed = True
            print(f'not ok {number} - {test.__name__}')
            print('#   ' + traceback.format_exc().rstrip().replace('\n', '\n#   '))
        else:
            print(f'ok {number} - {test.__name__}')
    return failed


if __name__ == '__main__':
    sys.exit(main(*sys.argv[1:]))
