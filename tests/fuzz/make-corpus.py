#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""make-corpus.py FOLDER: writes the files that fuzz-frame starts from. What the fuzzer found later is kept beside them."""

import pathlib
import struct
import sys

TOKEN = b'aabaabaabcabcdef'
MARKS_FLAG, ANY_LIMIT, VALUE_FLAG, LIMIT_16 = 1, 2, 4, 4 << 4


def frame(kind, payload=b''):
    return struct.pack('<IB', 1 + len(payload), kind) + payload


def start(magic=b'PGLW', version=1, descriptors=1, limit=65536, rest=TOKEN):
    return frame(1, magic + struct.pack('<HHI', version, descriptors, limit) + rest)


def request(serial, data=b'', flags=0):
    return struct.pack('<QBI', serial, flags, len(data)) + data


def failed(message, details=b''):
    return b'\1' + struct.pack('<I', len(message)) + message + details


def ready(version=1, descriptors=1, host=b'host'):
    return frame(65, struct.pack('<HHIB', version, descriptors, 4711, 12) + host)


def result(serial, outcome):
    return frame(67, struct.pack('<Q', serial) + outcome)


def alive(progress, status=b''):
    return frame(68, struct.pack('<d', progress) + status)


def mark(serial, token=TOKEN):
    return token + struct.pack('<Q', serial)


FRAMES = {
    'start': start(),
    'start-version': start(version=2),
    'start-magic': start(magic=b'PGLV'),
    'start-descriptors': start(descriptors=7),
    'start-short': start(rest=TOKEN[:-1]),
    'start-long': start(rest=TOKEN + b'x'),
    'from-runner': start() + frame(2, b'setup') + frame(3, request(1, b'abc')) + frame(4),
    'requests': frame(3, request(1, b'abc', 1) + request(2) + request(3, b'x' * 100)),
    'requests-none': frame(3),
    'requests-truncated': frame(3, request(1, b'abc') + request(2, b'defg')[:-2]),
    'requests-huge-size': frame(3, struct.pack('<QBI', 1, 0, 0xffffffff) + b'abc'),
    'requests-serial-0': frame(3, request(0, b'abc')),
    'from-worker': ready() + frame(66, b'\0setup') + alive(0.5, b'half') + result(1, b'\0abc') + frame(69, b'\2'),
    'ready-short': ready(host=b'')[:-1],
    'failed': result(1, failed(b'no', b'details')) + frame(66, failed(b'')) + frame(69, failed(b'left')),
    'failed-truncated': result(1, b'\1\5\0\0\0abcd'),
    'outcome-nothing': frame(66, b'\2') + frame(69, b'\2x') + result(1, b'\2'),
    'outcome-unknown': frame(66, b'\3abc') + result(1, b'\377'),
    'alive': alive(2) + alive(-1) + alive(float('nan')) + frame(68, b'1234567'),
    'unknown-kinds': frame(0, b'a') + frame(5, b'b') + frame(255, b'c'),
    'length-0': ready() + b'\0\0\0\0',
    'length-huge': ready() + b'\377\377\377\377\3',
    'big': frame(3, request(1, b'b' * 2000)),
}
MARKS = {
    'marks': b'ab' + mark(1) + b'cd' + mark(2) + mark(3),
    'marks-prefixes': b'aab' + mark(1) + b'aabaab' + mark(2) + b'aabaabaabaabaabaabc' + TOKEN[:-1] + mark(1 << 63),
    'marks-cut': b'x' + mark(1)[:-1],
    'marks-in-mark': TOKEN + TOKEN + TOKEN,
}
VALUES = {
    'value-string': b'abc\0\0s',
    'value-numbers': struct.pack('<5q', 1, 2, 3, 4, 5) + b'\0ax',
    'value-numbers-odd': b'1234567\0ai',
    'value-dictionary': b'k\0\0\0\0\0\0\0\0\0\0\0\0\0\4\x40\0d\1\x12\0a{sv}',
    'value-nested': b'x\0\0s\0v\0v',
    'value-tuple': b'\7\0\0\0ab\0\0(is)',
    'value-unit': b'\0\0()',
}


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in FRAMES.items():
        (folder / name).write_bytes(bytes([ANY_LIMIT, len(name)]) + data)
    (folder / 'over-limit').write_bytes(bytes([LIMIT_16, 0]) + frame(3, b'x' * 15) + frame(3, b'x' * 16))
    for name, data in MARKS.items():
        (folder / name).write_bytes(bytes([MARKS_FLAG, len(name)]) + TOKEN + data)
    for name, data in VALUES.items():
        (folder / name).write_bytes(bytes([VALUE_FLAG, 0]) + data)
    (folder / 'marks-all-same').write_bytes(bytes([MARKS_FLAG, 7]) + b'a' * 100)


if __name__ == '__main__':
    main()
