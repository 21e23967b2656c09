"""Whole archives: thousands of recordings and pictures into one file of results.

    from sweepnet.batch import found, score_archive

    with Client() as client:
        report = score_archive(client, found(["calls/"]), "results.parquet")

A journal beside the file of results keeps each result as it comes. A run that was stopped, by
Ctrl-C, a lost server or `kill -9`, goes on where it was when it is called again, and in the end
each file was scored exactly once. A file that fails is told of, and the others go on.
"""

from __future__ import annotations

from sweepnet.batch.archive import Failure, Progress, Report, score_archive
from sweepnet.batch.found import found, listed

__all__ = ["Failure", "Progress", "Report", "found", "listed", "score_archive"]
