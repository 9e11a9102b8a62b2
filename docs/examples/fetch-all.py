#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""fetch-all.py URL...: fetches each URL, at most 4 at a time, by the asynchronous calls of Gio."""

import sys

import gi

gi.require_version('Parallel', '1')
from gi.repository import Gio, GLib, Parallel


class Fetch:
    """One request. A program that is more than an example has Soup.Session.send_and_read_async() here."""

    def __init__(self, step, cancellable):
        self.step = step
        self.cancellable = cancellable
        self.answer = Gio.MemoryOutputStream.new_resizable()
        uri = GLib.Uri.parse(step.get_input(), GLib.UriFlags.ENCODED)
        host, port = uri.get_host(), uri.get_port() if uri.get_port() > 0 else 80
        target = (uri.get_path() or '/') + (f'?{uri.get_query()}' if uri.get_query() else '')
        self.request = f'GET {target} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n'.encode()
        Gio.SocketClient().connect_to_host_async(host, port, cancellable, self.failing(self.connected))

    def failing(self, callback):
        """What leaves a callback would only be printed, and the step would never end."""

        def call(source, result):
            try:
                callback(source, result)
            except GLib.Error as error:
                self.step.fail(error)

        return call

    def connected(self, client, result):
        self.connection = client.connect_to_host_finish(result)
        self.connection.get_output_stream().write_all_async(
            self.request, GLib.PRIORITY_DEFAULT, self.cancellable, self.failing(self.asked)
        )

    def asked(self, stream, result):
        stream.write_all_finish(result)
        self.answer.splice_async(
            self.connection.get_input_stream(), Gio.OutputStreamSpliceFlags.CLOSE_TARGET, GLib.PRIORITY_DEFAULT,
            self.cancellable, self.failing(self.answered),
        )

    def answered(self, answer, result):
        answer.splice_finish(result)
        self.connection.close(None)
        head, _, body = answer.steal_as_bytes().get_data().partition(b'\r\n\r\n')
        version, _, rest = head.partition(b' ')
        if not version.startswith(b'HTTP/1.'):
            raise GLib.Error.new_literal(Gio.io_error_quark(), 'The answer is not HTTP', Gio.IOErrorEnum.INVALID_DATA)
        self.step.set_result(f'{rest[:3].decode()} {len(body)}')
        self.step.complete()


def fetch_all(urls):
    runner = Parallel.BackgroundTaskRunner(Parallel.AsyncTask.new(Fetch), max_parallel=4)
    runner.set_keep_steps(Parallel.KeepSteps.ALL)
    for url in urls:
        runner.put(url)
    runner.close()
    try:
        runner.wait(None)
    except GLib.Error as error:
        if not error.matches(Parallel.run_error_quark(), Parallel.RunError.BACKGROUND_FAILURE):
            raise
    for step in runner.dup_steps():
        if step.get_state() == Parallel.StepState.SUCCEEDED:
            print(step.get_result(), step.get_input())
    sys.stdout.flush()
    failures = runner.dup_failures()
    for step in failures:
        print(f'{step.get_input()}: {step.dup_error().message}', file=sys.stderr)
    return 1 if failures else 0


if __name__ == '__main__':
    if len(sys.argv) < 2:
        print('usage: fetch-all URL...', file=sys.stderr)
        sys.exit(2)
    sys.exit(fetch_all(sys.argv[1:]))
