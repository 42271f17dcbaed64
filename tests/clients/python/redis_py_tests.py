"""Runs redis-py's own pub/sub tests. Usage: redis_py_tests.py SOURCE PORT (2|3)

SOURCE is an unpacked source package. Its tests must be exactly those that redis_py_tests.txt lists, and each must pass
that is not listed as skipped.
"""

import os
import sys
from pathlib import Path

import pytest

SOURCE, PORT, PROTOCOL = sys.argv[1:]
FILES = ["tests/test_pubsub.py", "tests/test_asyncio/test_pubsub.py"]
LIST = Path(__file__).with_suffix(".txt")


def listed():
    """Every test with the reason why it is skipped, or nothing."""
    tests = {}
    for line in LIST.read_text().splitlines():
        if line and not line.startswith("#"):
            test, _, reason = line.partition(" skipped: ")
            assert test not in tests, f"{test} stands twice in {LIST.name}"
            tests[test] = reason
    return tests


class Recorder:
    """Skips what is to be skipped, and notes what was found and what passed."""

    def __init__(self, tests):
        self.tests = tests
        self.found = set()
        self.failed = set()
        self.passed = set()

    def pytest_collection_modifyitems(self, items):
        self.found = {item.nodeid for item in items}
        for item in items:
            if self.tests.get(item.nodeid):
                item.add_marker(pytest.mark.skip(reason=self.tests[item.nodeid]))

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed.add(report.nodeid)
        elif report.passed and report.when == "call":
            self.passed.add(report.nodeid)


def run(names, tests):
    recorder = Recorder(tests)
    options = ["-q", "--no-header", "--tb=short", "-p", "no:cacheprovider", "-W", "ignore", "-o", "addopts="]
    server = ["--redis-url", f"redis://127.0.0.1:{PORT}/0", "--protocol", PROTOCOL]
    pytest.main([*options, *server, *names], plugins=[recorder])
    return recorder


os.chdir(SOURCE)
sys.path.insert(0, SOURCE)
expected = listed()
first = run(FILES, expected)
assert first.found, "no tests were found"
complaints = [f"not in {LIST.name}: {test}" for test in sorted(first.found - expected.keys())]
complaints += [f"in {LIST.name} but not in the package: {test}" for test in sorted(expected.keys() - first.found)]
wanted = {test for test, reason in expected.items() if not reason} & first.found
missing = wanted - (first.passed - first.failed)
if missing:
    # Many of them give a message half a second and no more, which a busy machine does not always keep.
    print(f"once more: {sorted(missing)}")
    second = run(sorted(missing), expected)
    missing -= second.passed - second.failed
complaints += [f"did not pass: {test}" for test in sorted(missing)]
sys.exit("\n".join(complaints) or 0)
