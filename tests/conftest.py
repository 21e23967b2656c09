"""What every test may ask for (data folder, system programs), and the count of what was skipped."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

# One thread each: pytest-xdist already fills the cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("SWEEPNET_DATA") or ROOT.parent / "shared" / "data").resolve()
NO_DATA = "needs the data folder"
NO_PROGRAM = "needs the program"
# CI installs these, so there a test that misses one of them is a failure.
CI_PROGRAMS = ("espeak-ng", "flite", "git", "make")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of training and evaluation data; the test is skipped where there is none."""
    if not DATA.is_dir():
        pytest.skip(f"{NO_DATA} (SWEEPNET_DATA)")
    return DATA


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("needs_data") and not DATA.is_dir():
        pytest.skip(f"{NO_DATA} (SWEEPNET_DATA)")
    for mark in item.iter_markers("needs_program"):
        if shutil.which(mark.args[0]) is None:
            pytest.skip(f"{NO_PROGRAM} {mark.args[0]}")


def _reasons(reporter: pytest.TerminalReporter) -> Counter[str]:
    """How many tests were skipped, by reason."""
    reports = reporter.stats.get("skipped", [])
    return Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in reports
        if isinstance(report.longrepr, tuple)
    )


def _excused(reason: str) -> bool:
    """Whether CI's machine may lack what this reason names."""
    if reason.startswith(NO_DATA):
        return not DATA.is_dir()
    program = reason.removeprefix(NO_PROGRAM).strip()
    return reason.startswith(NO_PROGRAM) and program not in CI_PROGRAMS


def pytest_sessionfinish(session: pytest.Session) -> None:
    """With SWEEPNET_NO_SKIPS=1 a skip for something that the machine has fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or os.environ.get("SWEEPNET_NO_SKIPS") != "1":
        return
    if any(not _excused(reason) for reason in _reasons(reporter)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = _reasons(terminalreporter)
    terminalreporter.write_line(f"skipped: {sum(reasons.values())}")
    for reason, count in sorted(reasons.items()):
        fault = os.environ.get("SWEEPNET_NO_SKIPS") == "1" and not _excused(reason)
        terminalreporter.write_line(
            f"  {count} x {reason}" + (": not allowed here" if fault else "")
        )
