# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the output of steps goes: to the descriptor, or to what the caller has put in place of
sys.stdout.
"""

from __future__ import annotations

import codecs
import sys
from typing import Any


def flush() -> None:
    """Writes out what this process has printed, so that what steps print comes after it."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not getattr(stream, 'closed', False):
            stream.flush()


def is_replaced(stream: Any, descriptor: int) -> bool:
    """Whether something else than the descriptor takes what is printed: a test's capture, a
    notebook.

    >>> import io
    >>> is_replaced(io.StringIO(), 1), is_replaced(None, 1)
    (True, False)
    """
    if stream is None or getattr(stream, 'closed', False):
        return False
    try:
        return bool(stream.fileno() != descriptor)
    except (AttributeError, OSError, ValueError):
        return True


class TextWriter:
    """Writes bytes, in any pieces, to a stream for text.

    >>> import io
    >>> stream = io.StringIO()
    >>> writer = TextWriter(stream)
    >>> writer.write('é'.encode()[:1]); writer.write('é'.encode()[1:]); writer.end()
    >>> stream.getvalue()
    'é'
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._raw = getattr(stream, 'buffer', None)
        self._decoder = codecs.getincrementaldecoder('utf-8')('replace')

    def write(self, data: bytes) -> None:
        """Writes the next piece."""
        if self._raw is not None:
            self._stream.flush()
            self._raw.write(data)
            self._raw.flush()
        else:
            self._write_text(self._decoder.decode(data))

    def end(self) -> None:
        """Writes what is left of a character that was cut off."""
        if self._raw is None:
            self._write_text(self._decoder.decode(b'', True))

    def _write_text(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()
