# SPDX-License-Identifier: LGPL-2.1-or-later
"""A display, a bus and an assistive technology, with nothing of the user's: programs with windows can
be run, driven and looked at.
"""

import collections
import contextlib
import ctypes
import os
import pathlib
import select
import shutil
import struct
import subprocess

from gi.repository import GdkPixbuf, Gio, GLib

LIMIT = 120
"""Seconds. What has not happened by then never will."""

SCREEN = (1000, 860)

BUS_CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir={}</listen>
  <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>
"""

# What GTK asks of the registry of assistive technologies.
REGISTRY = """<node>
  <interface name="org.a11y.atspi.Socket">
    <method name="Embed"><arg type="(so)" direction="in"/><arg type="(so)" direction="out"/></method>
  </interface>
  <interface name="org.a11y.atspi.Registry">
    <method name="GetRegisteredEvents"><arg type="a(ss)" direction="out"/></method>
  </interface>
  <interface name="org.a11y.atspi.DeviceEventController">
    <method name="NotifyListenersSync"><arg type="(uiuuisb)" direction="in"/><arg type="b" direction="out"/></method>
  </interface>
</node>"""
REGISTRY_OBJECTS = {
    '/org/a11y/atspi/accessible/root': 'org.a11y.atspi.Socket',
    '/org/a11y/atspi/registry': 'org.a11y.atspi.Registry',
    '/org/a11y/atspi/registry/deviceeventcontroller': 'org.a11y.atspi.DeviceEventController',
}

KEYS = {'Control': 0xffe3, 'Down': 0xff54, 'Return': 0xff0d}
KEY_LIBRARIES = 'libX11.so.6', 'libXtst.so.6'

PR_SET_CHILD_SUBREAPER = 36

Accessible = collections.namedtuple('Accessible', 'role name text')


def missing():
    """What has to be installed and is not."""
    lacking = [name for name in ('Xvfb', 'dbus-daemon') if shutil.which(name) is None]
    for name in KEY_LIBRARIES:
        try:
            ctypes.CDLL(name)
        except OSError:
            lacking.append(name)
    return lacking


def adopt_orphans():
    """What a program leaves behind becomes a child of this one, which sees it."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children():
    text = pathlib.Path(f'/proc/self/task/{os.getpid()}/children').read_text()
    return {int(pid) for pid in text.split()}


def command_line(pid):
    return pathlib.Path(f'/proc/{pid}/cmdline').read_bytes().replace(b'\0', b' ').decode().strip()


def await_end(pid):
    """Waits for a child that ends by itself, and reaps it."""
    descriptor = os.pidfd_open(pid)
    try:
        if not select.select([descriptor], [], [], LIMIT)[0]:
            raise TimeoutError(f'still there: {command_line(pid)}')
    finally:
        os.close(descriptor)
    os.waitpid(pid, 0)


@contextlib.contextmanager
def server(*command):
    """A program that writes one line, which is given, to the descriptor put for {} when it is ready."""
    reader, writer = os.pipe()
    with open(reader, encoding='utf-8') as ready:
        process = subprocess.Popen([word.format(writer) for word in command], pass_fds=[writer],
                                   stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(writer)
        try:
            line = ready.readline().strip()
            if not line:
                raise RuntimeError(f'{command[0]} does not start')
            yield line
        finally:
            process.terminate()
            process.wait()


class Desktop:
    """Has the environment for a program, and the connection to its bus."""

    def __init__(self, scratch, display, address):
        self._scratch = scratch
        flags = Gio.DBusConnectionFlags
        self._connection = Gio.DBusConnection.new_for_address_sync(
            address, flags.AUTHENTICATION_CLIENT | flags.MESSAGE_BUS_CONNECTION, None, None)
        # Whatever signal comes, it wakes who iterates the main context.
        self._connection.signal_subscribe(None, None, None, None, None, Gio.DBusSignalFlags.NONE,
                                          lambda *_arguments: None)
        self._be_registry()
        self.environment = {
            **os.environ,
            'AT_SPI_BUS_ADDRESS': address,
            'DBUS_SESSION_BUS_ADDRESS': address,
            'DISPLAY': f':{display}',
            'GDK_BACKEND': 'x11',
            'GIO_USE_VFS': 'local',
            'GSETTINGS_BACKEND': 'memory',
            'GSK_RENDERER': 'cairo',
            'GTK_USE_PORTAL': '0',
            'HOME': str(scratch),
            'LC_ALL': 'C.UTF-8',
            'XDG_CONFIG_HOME': str(scratch / 'config'),
            'XDG_RUNTIME_DIR': str(scratch),
        }
        for name in ('GTK_A11Y', 'GTK_DEBUG', 'GTK_THEME', 'WAYLAND_DISPLAY'):
            self.environment.pop(name, None)

    def _be_registry(self):
        # The connection and the object of the program that has last come with windows.
        self.embedded = None
        registry = Gio.DBusNodeInfo.new_for_xml(REGISTRY)
        for path, name in REGISTRY_OBJECTS.items():
            self._connection.register_object(path, registry.lookup_interface(name),
                                             self._registry_called, None, None)
        self._call_bus('RequestName', '(su)', 'org.a11y.atspi.Registry', 0)

    def _registry_called(self, _connection, sender, path, _interface, method, parameters, invocation):
        if method == 'Embed':
            self.embedded = parameters.unpack()[0]
            root = self._connection.get_unique_name(), path
            invocation.return_value(GLib.Variant('((so))', (root,)))
        elif method == 'GetRegisteredEvents':
            invocation.return_value(GLib.Variant('(a(ss))', ([],)))
        else:
            invocation.return_value(GLib.Variant('(b)', (False,)))

    def close(self):
        self._connection.close_sync(None)

    def press(self, *keys):
        """Presses keys, each while those before it are held down: characters, or names of KEYS."""
        x11, test = map(ctypes.CDLL, KEY_LIBRARIES)
        x11.XOpenDisplay.restype = ctypes.c_void_p
        display = ctypes.c_void_p(x11.XOpenDisplay(self.environment['DISPLAY'].encode()))
        symbols = [KEYS[key] if key in KEYS else ord(key) for key in keys]
        codes = [x11.XKeysymToKeycode(display, ctypes.c_ulong(symbol)) for symbol in symbols]
        for code in codes:
            test.XTestFakeKeyEvent(display, code, True, ctypes.c_ulong(0))
        for code in reversed(codes):
            test.XTestFakeKeyEvent(display, code, False, ctypes.c_ulong(0))
        x11.XCloseDisplay(display)

    def call(self, name, path, interface, method, signature=None, *arguments):
        parameters = None if signature is None else GLib.Variant(signature, arguments)
        answer = self._connection.call_sync(name, path, interface, method, parameters, None,
                                            Gio.DBusCallFlags.NONE, LIMIT * 1000, None)
        return answer.unpack()

    def owner(self, name):
        """The connection that has the name, or None."""
        with contextlib.suppress(GLib.Error):
            return self._call_bus('GetNameOwner', '(s)', name)[0]
        return None

    def _call_bus(self, method, signature, *arguments):
        return self.call('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus',
                         method, signature, *arguments)

    def accessibles(self, name, path):
        """All that an assistive technology is told of the program's windows, from the top left on."""

        def ask(interface, method, signature=None, *arguments):
            return self.call(name, path, interface, method, signature, *arguments)[0]

        accessible, text = 'org.a11y.atspi.Accessible', 'org.a11y.atspi.Text'
        yield Accessible(
            ask(accessible, 'GetRoleName'),
            ask('org.freedesktop.DBus.Properties', 'Get', '(ss)', accessible, 'Name'),
            ask(text, 'GetText', '(ii)', 0, -1) if text in ask(accessible, 'GetInterfaces') else '',
        )
        for owner, child in ask(accessible, 'GetChildren'):
            yield from self.accessibles(owner, child)

    def picture(self):
        """What the display shows, without what is black around it; None if there is nothing."""
        data = (self._scratch / 'Xvfb_screen0').read_bytes()
        # The header of a file of xwd: 25 numbers, a name, and the colours, of 12 bytes each.
        header = struct.unpack('>25I', data[:100])
        width, height, stride = header[4], header[5], header[12]
        start = header[0] + 12 * header[19]
        # A pixel is blue, green, red and nothing, as on all machines that are little-endian.
        rgb = bytearray(3 * width * height)
        for channel in range(3):
            for y in range(height):
                line = slice(start + y * stride + 2 - channel, start + y * stride + 4 * width, 4)
                rgb[3 * width * y + channel:3 * width * (y + 1):3] = data[line]
        lines = [bytes(rgb[at:at + 3 * width]) for at in range(0, len(rgb), 3 * width)]

        rows = [y for y, line in enumerate(lines) if any(line)]
        if not rows:
            return None
        left = min((len(line) - len(line.lstrip(b'\0'))) // 3 for line in lines if any(line))
        right = max((len(line.rstrip(b'\0')) + 2) // 3 for line in lines)
        return GdkPixbuf.Pixbuf.new_from_bytes(
            GLib.Bytes.new(bytes(rgb)), GdkPixbuf.Colorspace.RGB, False, 8, width, height, 3 * width
        ).new_subpixbuf(left, rows[0], right - left, rows[-1] - rows[0] + 1)


@contextlib.contextmanager
def desktop(scratch):
    configuration = scratch / 'bus.conf'
    configuration.write_text(BUS_CONFIGURATION.format(scratch))
    settings = scratch / 'config' / 'gtk-4.0' / 'settings.ini'
    settings.parent.mkdir(parents=True)
    settings.write_text('[Settings]\ngtk-font-name=Cantarell 11\ngtk-enable-animations=0\n')
    screen = '{}x{}x24'.format(*SCREEN)
    with (
        server('Xvfb', '-displayfd', '{}', '-screen', '0', screen, '-fbdir', str(scratch), '-nocursor',
               '-nolisten', 'tcp') as display,
        server('dbus-daemon', f'--config-file={configuration}', '--nofork', '--print-address={}') as address,
    ):
        place = Desktop(scratch, display, address)
        try:
            yield place
        finally:
            place.close()
