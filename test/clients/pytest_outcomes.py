"""A pytest plugin that tells the process which started pytest of every outcome as it happens: see pytest.ts.

PANGOLIN_TEST_REPORT names a file that gets one JSON line per test.
"""

import json
import os

import pytest

REPORTS = pytest.StashKey[list]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    item.stash.setdefault(REPORTS, []).append(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item, nextitem):
    yield
    reports = item.stash.get(REPORTS, [])
    failed = [report.longreprtext for report in reports if report.failed]
    skipped = [str(report.longrepr[2]) for report in reports if report.skipped]
    line = {
        "name": item.nodeid,
        "failure": "\n".join(failed) or None,
        "skipped": skipped[0] if skipped else None,
    }
    with open(os.environ["PANGOLIN_TEST_REPORT"], "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    return True
