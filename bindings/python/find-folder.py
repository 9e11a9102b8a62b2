#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""find-folder.py PREFIX: prints the folder below a prefix in which this Python looks for packages, if there is one."""

import site
import sys

prefix = sys.argv[1].rstrip('/')
print(
    next((folder for folder in site.getsitepackages() if folder.startswith(f'{prefix}/lib/')), '')
)
