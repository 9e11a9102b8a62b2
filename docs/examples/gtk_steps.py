#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""gtk_steps.py [--jobs=N] [--steps=N] [COMMAND...]: a window with a list of steps that run.

It runs commands for the shell, or else a demonstration. If it runs already, its window gets the
commands. It is the program of the folder gtk-steps once more, with the same widgets.
"""

import codecs
import hashlib
import os
import sys

import gi

gi.require_version('Gdk', '4.0')
gi.require_version('Gtk', '4.0')
gi.require_version('Parallel', '1')
from gi.repository import Gdk, Gio, GLib, Gtk, Parallel

FOLDER = os.path.join(os.path.dirname(os.path.realpath(__file__)), 'gtk-steps')

# Milliseconds: how often the time of a step that runs is shown, and how long what changes is
# collected before it is shown.
TICK = 100
REFRESH_DELAY = 50
SUMMARY_DELAY = 100

# A step may write more than a text view can bear: its last bytes are shown.
MAX_SHOWN = 64 * 1024

# Word, class and icon, which is one of those that GTK has in itself.
STATES = {
    Parallel.StepState.PENDING: ('Waiting', 'pending', 'document-open-recent-symbolic'),
    Parallel.StepState.RUNNING: ('Running', 'running', 'media-playback-start-symbolic'),
    Parallel.StepState.SUCCEEDED: ('Succeeded', 'succeeded', 'object-select-symbolic'),
    Parallel.StepState.FAILED: ('Failed', 'failed', 'dialog-error-symbolic'),
    Parallel.StepState.HALTED: ('Halted', 'halted', 'media-playback-stop-symbolic'),
    Parallel.StepState.SKIPPED: ('Skipped', 'skipped', 'list-remove-symbolic'),
}
NOT_DONE = (Parallel.StepState.FAILED, Parallel.StepState.HALTED, Parallel.StepState.SKIPPED)


# Where the steps come from.


def merge_streams(task):
    """The two streams become one, in which all stands in the order in which it was written."""
    task.set_merge_stderr(True)
    return task


def step_for_command(command, name=None):
    task = merge_streams(Parallel.CommandTask.new_shell(command))
    return Parallel.Step(task, name=name or command)


def step_again(step):
    """A step is used once."""
    return Parallel.Step(step.get_task(), step.get_input(), name=step.dup_name())


def hash_zeros(step, cancellable, _data):
    """Called in a worker thread. The input is a number of megabytes."""
    count = int(step.get_input())
    digest = hashlib.sha256()
    zeros = bytes(1 << 20)
    for number in range(1, count + 1):
        cancellable.set_error_if_cancelled()
        digest.update(zeros)
        step.set_progress(number / count)
    return step.write_text(digest.hexdigest() + '\n')


def demonstration():
    """A function, which says how far it is, and the programs of demonstration.txt."""
    task = Parallel.FunctionTask.new(hash_zeros, None)
    yield Parallel.Step(task, '2000', name='Hash 2 GB of zeros, in a thread of this program')
    with open(os.path.join(FOLDER, 'demonstration.txt'), encoding='utf-8') as file:
        for line in file:
            name, command = line.rstrip('\n').split('\t')
            yield step_for_command(command, name)


def quick_steps(count):
    """All with one task and with inputs from 1 on. One of ten fails."""
    argv = ['sh', '-c', 'echo "step $0"; test $(($0 % 10)) -ne 0', '{}']
    task = merge_streams(Parallel.CommandTask.new(argv))
    return (Parallel.Step(task, str(number)) for number in range(1, count + 1))


@Gtk.Template(filename=os.path.join(FOLDER, 'step-row.ui'))
class StepRow(Gtk.Box):
    """A row of the list. It is used for one step after another, as the list is scrolled."""

    __gtype_name__ = 'StepRow'

    icon = Gtk.Template.Child()
    name = Gtk.Template.Child()
    last_line = Gtk.Template.Child()
    progress = Gtk.Template.Child()
    state = Gtk.Template.Child()
    elapsed = Gtk.Template.Child()

    def __init__(self):
        super().__init__()
        self._step = None
        self._handlers = ()
        self._tick = 0

    def set_step(self, step):
        """None for none."""
        self._stop_ticking()
        for handler in self._handlers:
            self._step.disconnect(handler)
        self._step = step
        self._handlers = ()
        if step is None:
            return
        self._handlers = (
            step.connect('notify::state', self._on_state),
            step.connect('notify::progress', self._on_progress),
            step.connect('notify::last-line', self._on_last_line),
        )
        self.name.set_label(step.dup_name())
        self._on_last_line(step)
        self._on_state(step)

    def _stop_ticking(self):
        if self._tick:
            GLib.source_remove(self._tick)
            self._tick = 0

    def _on_state(self, step, _pspec=None):
        state = step.get_state()
        word, css_class, icon = STATES[state]
        self.state.set_label(word)
        self.icon.set_from_icon_name(icon)
        self.set_css_classes(['step', css_class])
        self._on_progress(step)
        self._show_elapsed()
        self._stop_ticking()
        if state == Parallel.StepState.RUNNING:
            self._tick = GLib.timeout_add(TICK, self._on_tick)

    def _on_tick(self):
        self._show_elapsed()
        if self._step.get_progress() < 0:
            self.progress.pulse()
        return GLib.SOURCE_CONTINUE

    def _on_progress(self, step, _pspec=None):
        """A step that does not say how far it is has a bar that moves while it runs, and is full in
        the end."""
        progress = step.get_progress()
        state = step.get_state()
        if state == Parallel.StepState.RUNNING and progress < 0:
            self.progress.pulse()
        elif state == Parallel.StepState.SUCCEEDED:
            self.progress.set_fraction(1)
        elif progress >= 0:
            self.progress.set_fraction(progress)
        else:
            self.progress.set_fraction(step.get_attempt() > 0)

    def _on_last_line(self, step, _pspec=None):
        last_line = step.dup_last_line()
        self.last_line.set_label(last_line or '')
        self.last_line.set_visible(last_line is not None)

    def _show_elapsed(self):
        seconds = self._step.get_elapsed()
        if self._step.get_attempt() == 0:
            text = ''
        elif seconds < 60:
            text = f'{seconds:.{2 if seconds < 1 else 1}f} s'
        else:
            text = f'{int(seconds) // 60}:{int(seconds) % 60:02}'
        self.elapsed.set_label(text)


@Gtk.Template(filename=os.path.join(FOLDER, 'step-output.ui'))
class StepOutput(Gtk.Box):
    """What one step has written, followed while it writes."""

    __gtype_name__ = 'StepOutput'

    name = Gtk.Template.Child()
    error = Gtk.Template.Child()
    text_view = Gtk.Template.Child()

    def __init__(self):
        super().__init__()
        self._step = None
        self._handlers = ()
        self._refresh = 0

    def set_step(self, step):
        """None for none."""
        if step is self._step:
            return
        self._stop_refreshing()
        for handler in self._handlers:
            self._step.disconnect(handler)
        self._step = step
        self._handlers = ()
        self._offset = 0
        self._decoder = codecs.getincrementaldecoder('utf-8')('replace')
        self.text_view.get_buffer().set_text('')
        self.name.set_label('' if step is None else step.dup_name())
        self.error.set_label('')
        if step is None:
            return
        self._handlers = (
            step.connect('notify::error', self._on_error),
            step.connect('notify::last-line', self._on_output),
        )
        self._on_error(step)
        self._read_more()

    def _stop_refreshing(self):
        if self._refresh:
            GLib.source_remove(self._refresh)
            self._refresh = 0

    def _on_error(self, step, _pspec=None):
        error = step.dup_error()
        self.error.set_label(error.message if error else '')

    def _on_output(self, _step, _pspec):
        if not self._refresh:
            self._refresh = GLib.timeout_add(REFRESH_DELAY, self._on_refresh)

    def _on_refresh(self):
        self._refresh = 0
        self._read_more()
        return GLib.SOURCE_REMOVE

    def _read_more(self):
        """The library keeps the output in a temporary file. Its last bytes are still in memory, so
        reading them does not wait for a disk."""
        step = self._step
        running = step.get_state() == Parallel.StepState.RUNNING
        size = step.get_output_size(Parallel.OutputStream.STDOUT)
        self._offset = max(self._offset, size - MAX_SHOWN)
        stream = step.open_output(Parallel.OutputStream.STDOUT)
        try:
            stream.seek(self._offset, GLib.SeekType.SET, None)
            data = stream.read_bytes(MAX_SHOWN, None).get_data()
        except GLib.Error as error:
            self.error.set_label(error.message)
            return
        self._offset += len(data)
        self._append(self._decoder.decode(data, final=not running))

    def _append(self, text):
        """Whoever has scrolled back to read something stays there."""
        buffer = self.text_view.get_buffer()
        adjustment = self.text_view.get_vadjustment()
        follow = adjustment.get_value() + adjustment.get_page_size() + 1 >= adjustment.get_upper()
        # To PyGObject a text with NUL in it is none.
        buffer.insert(buffer.get_end_iter(), text.replace('\0', '\N{REPLACEMENT CHARACTER}'))
        excess = buffer.get_char_count() - MAX_SHOWN
        if excess > 0:
            buffer.delete(buffer.get_start_iter(), buffer.get_iter_at_offset(excess))
        if follow:
            self.text_view.scroll_mark_onscreen(buffer.get_insert())


@Gtk.Template(filename=os.path.join(FOLDER, 'window.ui'))
class StepsWindow(Gtk.ApplicationWindow):
    """The window: runners, and the list of their steps."""

    __gtype_name__ = 'StepsWindow'

    add_button = Gtk.Template.Child()
    add_popover = Gtk.Template.Child()
    list_view = Gtk.Template.Child()
    summary_label = Gtk.Template.Child()
    step_output = Gtk.Template.Child()

    def __init__(self, app):
        super().__init__(application=app)
        # What was halted takes no more steps, so the next ones get a new runner. The list has those
        # of all.
        self._runners = Gio.ListStore.new(Parallel.BackgroundTaskRunner)
        self._runner = None
        self._max_parallel = 0
        self._n_put = 0
        self._retried = set()
        self._summary = 0
        self._n_awaited = 0
        self._closing = False
        self._set_up_list()
        ask = Gio.SimpleAction.new('ask', None)
        ask.connect('activate', lambda *_arguments: self.add_button.popup())
        self.add_action(ask)
        self.connect('close-request', self._on_close_request)
        self._show_summary()

    def _set_up_list(self):
        factory = Gtk.SignalListItemFactory()
        factory.connect('setup', lambda _factory, item: item.set_child(StepRow()))
        factory.connect('bind', lambda _factory, item: item.get_child().set_step(item.get_item()))
        factory.connect('unbind', lambda _factory, item: item.get_child().set_step(None))
        self.list_view.set_factory(factory)
        self._selection = Gtk.SingleSelection.new(Gtk.FlattenListModel.new(self._runners))
        self._selection.connect('notify::selected-item', self._on_selected)
        self.list_view.set_model(self._selection)

    def _on_selected(self, selection, _pspec):
        self.step_output.set_step(selection.get_selected_item())

    # The summary.

    def _count(self):
        """The steps go on meanwhile. In this order one that comes from one state into the next is
        counted twice, rather than taken for a halted one."""
        counts = [
            sum(getter(runner) for runner in self._runners)
            for getter in (
                Parallel.BackgroundTaskRunner.get_n_pending,
                Parallel.BackgroundTaskRunner.get_n_running,
                Parallel.BackgroundTaskRunner.get_n_succeeded,
                Parallel.BackgroundTaskRunner.get_n_failed,
            )
        ]
        return (*counts, max(self._n_put - sum(counts), 0))

    def _show_summary(self):
        pending, running, succeeded, failed, halted = self._count()
        text = (f'{running} running, {pending} waiting, {succeeded} succeeded, '
                f'{failed} failed, {halted} halted')
        self.summary_label.set_label(text)
        app = self.get_application()
        app.lookup_action('summary').set_state(GLib.Variant('s', text))
        app.lookup_action('halt').set_enabled(pending + running > 0)
        app.lookup_action('retry').set_enabled(failed + halted > len(self._retried))

    def _queue_summary(self, *_arguments):
        if not self._summary and not self._closing:
            self._summary = GLib.timeout_add(SUMMARY_DELAY, self._on_summary)

    def _on_summary(self):
        self._summary = 0
        self._show_summary()
        return GLib.SOURCE_REMOVE

    # Runners.

    def _start_runner(self):
        self._runner = Parallel.BackgroundTaskRunner(
            keep_steps=Parallel.KeepSteps.ALL, output_mode=Parallel.OutputMode.NONE
        )
        if self._max_parallel:
            self._runner.set_max_parallel(self._max_parallel)
        self._runner.connect('notify', self._queue_summary)
        self._runners.append(self._runner)

    def set_max_parallel(self, max_parallel):
        self._max_parallel = max_parallel
        if self._runner is not None:
            self._runner.set_max_parallel(max_parallel)

    def put(self, step):
        if self._closing:
            return
        if self._runner is None:
            self._start_runner()
        self._runner.put_step(step)
        self._n_put += 1
        self._queue_summary()

    def halt(self):
        if self._runner is not None:
            self._runner.halt(Parallel.HaltMode.NOW)
            self._runner = None

    def retry(self):
        steps = [step for runner in self._runners for step in runner.dup_steps()]
        for step in steps:
            if step.get_state() in NOT_DONE and step not in self._retried:
                self._retried.add(step)
                self.put(step_again(step))

    def select(self, position):
        self._selection.set_selected(position)
        self.list_view.activate_action('list.scroll-to-item', GLib.Variant('u', position))

    # The window.

    def _on_close_request(self, _window):
        """The window vanishes at once, and the program stays until its steps have ended."""
        self._closing = True
        if self._summary:
            GLib.source_remove(self._summary)
            self._summary = 0
        self.set_visible(False)
        for runner in self._runners:
            self._n_awaited += 1
            runner.halt(Parallel.HaltMode.NOW)
            runner.wait_async(None, self._on_ended)
        return self._n_awaited > 0

    def _on_ended(self, runner, result):
        try:
            runner.wait_finish(result)
        except GLib.Error:
            pass  # that it was halted
        self._n_awaited -= 1
        if self._n_awaited == 0:
            self.destroy()

    @Gtk.Template.Callback()
    def command_cb(self, entry):
        self.add_popover.popdown()
        self.get_application().activate_action('add', GLib.Variant('s', entry.get_text()))
        entry.set_text('')


class Application(Gtk.Application):
    def __init__(self):
        super().__init__(
            application_id='org.example.GtkSteps', flags=Gio.ApplicationFlags.HANDLES_COMMAND_LINE
        )
        self.set_option_context_parameter_string('[COMMAND…]')
        for name, letter, description in (
            ('jobs', 'j', 'Run N steps at once'),
            ('steps', 's', 'Run N quick steps; one in ten fails'),
        ):
            self.add_main_option(
                name, ord(letter), GLib.OptionFlags.NONE, GLib.OptionArg.INT, description, 'N'
            )

    def _window(self):
        return next(iter(self.get_windows()), None)

    def do_startup(self):
        """The actions can also be called over D-Bus, where the state of "summary" is the line that
        the window shows."""
        Gtk.Application.do_startup(self)
        for name, signature, function in (
            ('add', 's', lambda command: command and self._window().put(step_for_command(command))),
            ('halt', None, lambda: self._window().halt()),
            ('retry', None, lambda: self._window().retry()),
            ('select', 'u', lambda position: self._window().select(position)),
            ('quit', None, lambda: self._window().close()),
        ):
            action = Gio.SimpleAction.new(name, signature and GLib.VariantType.new(signature))
            action.connect('activate', self._on_activated, function)
            self.add_action(action)
        summary = Gio.SimpleAction.new_stateful('summary', None, GLib.Variant('s', ''))
        # Nobody but the window says what it is.
        summary.connect('change-state', lambda _action, _value: None)
        self.add_action(summary)

        for action, accels in (
            ('win.ask', ['<Control>n']),
            ('app.halt', ['<Control>h']),
            ('app.retry', ['<Control>r']),
            ('app.quit', ['<Control>q', '<Control>w']),
        ):
            self.set_accels_for_action(action, accels)

        css = Gtk.CssProvider()
        css.load_from_path(os.path.join(FOLDER, 'style.css'))
        Gtk.StyleContext.add_provider_for_display(
            Gdk.Display.get_default(), css, Gtk.STYLE_PROVIDER_PRIORITY_APPLICATION
        )

    @staticmethod
    def _on_activated(_action, parameter, function):
        function(*(() if parameter is None else (parameter.unpack(),)))

    def do_command_line(self, command_line):
        options = command_line.get_options_dict().end().unpack()
        commands = command_line.get_arguments()[1:]
        window = self._window()
        first = window is None
        if first:
            window = StepsWindow(self)
        if options.get('jobs', 0) > 0:
            window.set_max_parallel(options['jobs'])

        if options.get('steps', 0) > 0:
            steps = quick_steps(options['steps'])
        elif first and not commands:
            steps = demonstration()
        else:
            steps = ()
        for step in steps:
            window.put(step)
        for command in commands:
            self.activate_action('add', GLib.Variant('s', command))

        window.present()
        return 0


if __name__ == '__main__':
    sys.exit(Application().run(sys.argv))
