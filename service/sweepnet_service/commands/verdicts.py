"""The verdicts on the recordings of a data set, as tables for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from rich.console import Console
from rich.table import Table

from sweepnet_service.commands.meter import metered
from sweepnet_service.errors import InvalidInput

if TYPE_CHECKING:
    from sweepnet_service.detectors.keyword.config import TrainConfig
    from sweepnet_service.detectors.keyword.verdicts import Verdict

MOST_TOLD = 20
KNOWN = "figures of the test split are not those of new voices"
WIDTH = 100


def told_verdicts(config: TrainConfig, file: TextIO, to_train: bool) -> None:
    """Checks the recordings to train on and tells which are left out and why.

    `to_train`: what else a training needs is looked at first. Raises InvalidInput where that is
    missing, or where a data set cannot be used, after it was told.
    """
    from sweepnet_service.detectors.keyword.config import arranged, check_classes, check_listening
    from sweepnet_service.detectors.keyword.gathering import judged_of
    from sweepnet_service.detectors.keyword.intake import listed, on_both_sides
    from sweepnet_service.detectors.keyword.train import begin
    from sweepnet_service.detectors.keyword.verdicts import summary, usable

    config = arranged(config)
    (begin if to_train else check_listening)(config)
    width = None if file.isatty() else WIDTH
    console = Console(file=file, width=width, markup=False, highlight=False)
    with metered() as report:
        judged = list(judged_of(config, report))
    if not judged and not to_train:
        raise InvalidInput("data", "is not given; expected recordings to tell the verdicts of")
    for data, found, path in judged:
        console.print(counted(found, config.keywords))
        if left := [verdict for verdict in found if not verdict.ok]:
            console.print(reasons(left))
        told = "" if to_train else f"{summary(found)}; "
        console.print(f"{told}all verdicts in {path}", soft_wrap=True)
        if voices := on_both_sides(data):
            console.print(f"in more than one split: {listed(voices)}; {KNOWN}", soft_wrap=True)
        kept = usable(data, found)
        if data.where == config.folder:
            check_classes(kept, config)


def counted(found: Sequence[Verdict], keywords: Sequence[str]) -> Table:
    """How many usable recordings of each split hold a keyword, at a known place or somewhere."""
    from sweepnet_service.detectors.keyword.dataset import placed, says, says_exactly

    def kind(verdict: Verdict) -> str:
        row = verdict.recording
        if not verdict.ok:
            return "left out"
        if any(placed(row, word) for word in keywords):
            return "word, place known"
        if row.label and any(says_exactly(row, word) for word in keywords):
            return "word, place not told"
        return "a form of it" if any(says(row, word) for word in keywords) else "without the word"

    counts = Counter((verdict.recording.split, kind(verdict)) for verdict in found)
    kinds = sorted({each for _, each in counts})
    table = Table("split", *kinds)
    for split in sorted({name for name, _ in counts}):
        table.add_row(split, *(str(counts[split, each]) for each in kinds))
    return table


def reasons(left: Sequence[Verdict]) -> Table:
    """Why recordings are left out or refuse the data set, those first; the first of them."""
    table = Table("recording", "at", "verdict", "why")
    ordered = sorted(left, key=lambda verdict: not verdict.refused)
    for verdict in ordered[:MOST_TOLD]:
        row = verdict.recording
        table.add_row(str(row.path), f"{row.start_s:.1f} s", verdict.word, verdict.reason)
    if len(left) > MOST_TOLD:
        table.add_row(f"... and {len(left) - MOST_TOLD} more", "", "", "")
    return table
