# SPDX-License-Identifier: LGPL-2.1-or-later
"""The introspected libraries. Only what starts runs imports this; a worker does not."""

from __future__ import annotations

import gi

gi.require_version('Parallel', '1')

from gi.repository import Gio, GLib, Parallel  # noqa: E402

__all__ = ['Gio', 'GLib', 'Parallel']
