# SPDX-License-Identifier: LGPL-2.1-or-later
"""What goes wrong in the matrix of loky, and where.

Workers import this file, so it imports little.
"""

import ctypes
import gc
import os
import sys

# What goes wrong.


def crash():
    ctypes.string_at(0)


def leave():
    sys.exit(2)


def leave_at_once():
    os._exit(3)


def raise_error():
    raise LookupError('on purpose')


ACTIONS = [crash, leave, leave_at_once, raise_error]

# Where.


class OnPickling:
    def __init__(self, action):
        self.action = action

    def __reduce__(self):
        self.action()
        return OnPickling, (self.action,)


class OnUnpickling:
    def __init__(self, action):
        self.action = action

    def __reduce__(self):
        return self.action, ()


class OnCollection:
    def __init__(self, action):
        self.action = action
        self.me = self

    def __del__(self):
        print('collected')
        self.action()


def collect(action):
    OnCollection(action)
    gc.collect()


def call(function, *args):
    return function(*args)


# Each is a call: a function and its argument.
IN_WORKER = {
    'argument unpickling': lambda action: (id, OnUnpickling(action)),
    'body': lambda action: (call, action),
    'result pickling': lambda action: (OnPickling, action),
    'collection': lambda action: (collect, action),
}
IN_PROGRAM = {
    'argument pickling': lambda action: (id, OnPickling(action)),
    'result unpickling': lambda action: (OnUnpickling, action),
}
PLACES = IN_WORKER | IN_PROGRAM
