#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""run-pytest.py FILE...: runs pytest on the files and reports each test as a line of TAP."""

import os
import sys

import pytest


class TapReporter:
    """Writes TAP where standard output was before pytest captured it."""

    def __init__(self):
        self._out = os.fdopen(os.dup(1), 'w')
        self._number = 0

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config):
        # Its options have to be there: what explains a failed assertion reads them.
        config.pluginmanager.unregister(name='terminalreporter')

    def pytest_collection_finish(self, session):
        print(f'1..{len(session.items)}', file=self._out, flush=True)

    def pytest_collectreport(self, report):
        if report.failed:
            self._line(False, f'collecting {report.nodeid}', '')
            self._explain(report)

    def pytest_runtest_logreport(self, report):
        if report.when == 'call' or not report.passed:
            if report.when == 'teardown':
                # It has its line already; this makes the program fail.
                print(f'# after {report.nodeid}:', file=self._out)
            else:
                directive = f' # SKIP {self._reason(report)}' if report.skipped else ''
                self._line(not report.failed, report.nodeid, directive)
            if report.failed:
                self._explain(report)

    def close(self):
        self._out.close()

    def _line(self, ok, name, directive):
        self._number += 1
        name = name.replace('#', r'\#')
        print(
            f'{"ok" if ok else "not ok"} {self._number} - {name}{directive}',
            file=self._out,
            flush=True,
        )

    def _reason(self, report):
        return report.longrepr[2] if isinstance(report.longrepr, tuple) else ''

    def _explain(self, report):
        for line in str(report.longreprtext).splitlines():
            print(f'#   {line}', file=self._out)
        self._out.flush()


def main(arguments):
    options = ['-vv', '-p', 'no:cacheprovider']
    # An exception that Python could only print and forget is a failure.
    for warning in 'ResourceWarning', 'pytest.PytestUnraisableExceptionWarning':
        options += ['-W', f'error::{warning}']
    reporter = TapReporter()
    try:
        return pytest.main([*options, *arguments], plugins=[reporter])
    finally:
        reporter.close()


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
