"""Figures of the folds: tables, rows for `sweepnet bench --also`, a page, and beside a peer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.table import Table

from sweepnet_service.detectors.keyword.bench.hearing import name_of
from sweepnet_service.detectors.keyword.bench.rows import Figures as PeerFigures
from sweepnet_service.detectors.keyword.bench.rows import Row, read_rows
from sweepnet_service.detectors.keyword.conditions import identity
from sweepnet_service.detectors.keyword.dataset import Recording
from sweepnet_service.detectors.keyword.evaluate import Figures, group_of, paired_difference
from sweepnet_service.detectors.keyword.evaluate.page import About, write_report
from sweepnet_service.detectors.keyword.evaluate.page.sound import Sound
from sweepnet_service.detectors.keyword.evaluate.seeds import spread

ENOUGH_ALARMS = 1.1
"""More than the one that a rate must show: sentences that hold a word do not count for it."""


def tellable(rates: Iterable[float], hours: Sequence[float]) -> list[float]:
    """The false alarms an hour for which every fold has a threshold: of those the speech of all
    others, so many hours each, shows one at least.
    """
    return [rate for rate in rates if rate * (sum(hours) - max(hours)) >= ENOUGH_ALARMS]


def table(figures: Mapping[str, Figures]) -> Table:
    """Misses of each word and condition with the spread of the detectors, and its false alarms."""
    shown = Table("Word", "Clips", "Missed", "95 %", "Each detector", "False alarms", "An hour")
    for word, each in figures.items():
        rate = each.speech.rate
        for condition in each.conditions:
            missed = condition.miss_rate
            shown.add_row(
                f"{word}, {condition.name}",
                str(len(condition.misses)),
                f"{100 * missed.value:.1f} %",
                f"{100 * missed.low:.1f}-{100 * missed.high:.1f}",
                " ".join(f"{100 * own:.0f}" for own in condition.of_each),
                f"{each.speech.alarms} in {each.speech.hours:.2f} h",
                f"{rate.value:.2f} ({rate.low:.2f}-{rate.high:.2f})" if rate else "-",
            )
    return shown


def alike(rows: Sequence[Row], together: Sequence[str]) -> Table:
    """Percent missed in each condition, of each word and of some `together`, and false alarms an
    hour: of each row, and mean and standard deviation (n - 1) of them.
    """
    shown = Table("Words", "Missed, %", *(each.engine for each in rows), "Mean", "Deviation")

    def add(words: str, what: str, values: Sequence[float], digits: int) -> None:
        found = spread(values, share=False)
        deviation = (found.deviation,) if len(rows) > 1 else ()
        told = [f"{value:.{digits}f}" for value in (*values, found.mean, *deviation)]
        shown.add_row(words, what, *told)

    for words in (*((word,) for word in rows[0].words), tuple(together)):
        for condition in rows[0].words[words[0]].misses:
            missed = [each.pooled_miss_rate(words, condition) for each in rows]
            if known := [100 * each for each in missed if each is not None]:
                add(", ".join(words), condition, known, 1)
        if len(words) == 1:
            rates = [each.words[words[0]].rate().value for each in rows]
            add(words[0], "alarms an hour", rates, 2)
    return shown


def row(
    engine: str, figures: Mapping[str, Figures], rate: float, clips: Iterable[Recording]
) -> Row:
    """The figures at one rate as the peers' are kept, clips by the names that they have there."""
    names = {identity(clip): name_of(clip) for clip in clips}
    words = {
        word: PeerFigures(
            {
                condition.name: {names[clip]: missed for clip, missed in condition.misses.items()}
                for condition in each.conditions
            },
            each.speech.alarms,
            each.speech.hours,
        )
        for word, each in figures.items()
    }
    return Row(engine, rate, words)


def beside(ours: Row, peers: Path, setting: float, clips: Iterable[Recording]) -> Table:
    """Misses pooled over the peers' words, and by how much ours are fewer: a paired bootstrap over
    groups of recordings.
    """
    groups = {name_of(clip): group_of(clip) for clip in clips}
    shown = Table("Engine", "Condition", "Words", "Clips", "Missed", "Ours", "Ours less", "95 %")
    for peer in (each for each in read_rows(peers) if math.isclose(each.setting, setting)):
        words = [word for word in peer.words if word in ours.words]
        if not words:
            continue
        conditions = [name for name in peer.words[words[0]].misses if name in conditions_of(ours)]
        for name in conditions:
            theirs, own = pooled_misses(peer, words, name), pooled_misses(ours, words, name)
            apart, low, high = paired_difference(theirs, own, groups.__getitem__)
            shown.add_row(
                f"{peer.engine} at {setting:g}",
                name,
                ", ".join(words),
                str(len(theirs)),
                *(f"{100 * sum(m.values()) / len(m):.1f} %" for m in (theirs, own)),
                f"{100 * apart:.1f}",
                f"{100 * low:.1f} to {100 * high:.1f}",
            )
    return shown


def conditions_of(row: Row) -> set[str]:
    return {name for figures in row.words.values() for name in figures.misses}


def pooled_misses(row: Row, words: Sequence[str], condition: str) -> dict[str, float]:
    """The misses of the clips of several words."""
    return {
        clip: missed for word in words for clip, missed in row.words[word].misses[condition].items()
    }


def page(path: Path, name: str, figures: Mapping[str, Figures], rate: float, sound: Sound) -> None:
    """The report of all words at one rate."""
    detectors = len(next(iter(figures.values())).thresholds)
    about = About(
        title="Words in voices that were never heard",
        facts={"Detectors": name, "Thresholds for": f"{rate:g} false alarms an hour"},
        notes=(
            f"{detectors} detectors, each measured on a fifth of the speakers that it never heard, "
            "at a threshold from what the others made of theirs. A clip's miss is the share of "
            "the detectors that miss it.",
        ),
    )
    write_report(path, list(figures.values()), about, sound)
