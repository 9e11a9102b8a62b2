# SPDX-License-Identifier: LGPL-2.1-or-later
"""Objects of the user's that travel inside of ours, and must not keep it from arriving."""

from __future__ import annotations

import pickle
from typing import Any

try:
    from cloudpickle import dumps as _dumps
except ImportError:
    from pickle import dumps as _dumps


def pack(value: Any) -> bytes | None:
    """The object as bytes, or None if it cannot be pickled.

    >>> unpack(pack([1, 2]))
    [1, 2]
    >>> import threading
    >>> pack(threading.Lock()) is None
    True
    """
    try:
        data: bytes = _dumps(value)
        return data
    except Exception:  # whatever the user's __reduce__ raises
        return None


def unpack(data: bytes | None, default: Any = None) -> Any:
    """The object again, or the default if there is none or it cannot be made.

    >>> unpack(b'nonsense', 'default')
    'default'
    """
    if data is None:
        return default
    try:
        return pickle.loads(data)
    except Exception:  # whatever the user's constructor raises
        return default
