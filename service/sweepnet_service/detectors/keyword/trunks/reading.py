"""What the phones of a trunk are worth for words: path scores of any word -> log odds and misses.

A word's path score (see `WordPath`) says little by itself: a short word finds its phones anywhere.
So words and phrases of validation sentences are read off the trunk, where they are said and where
not, and log odds are fitted to score and number of phones. A word of which nobody has a recording
then gets scores that mean what other words' do, and thresholds with their false alarms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from cnn_core.arrays import Array, Flags, Integers
from cnn_core.layers import Layer
from cnn_core.layers.wordpath import best_score
from sweepnet_service.detectors.keyword.assembly import path_steps
from sweepnet_service.detectors.keyword.dataset import Recording, read_samples, says, says_exactly
from sweepnet_service.detectors.keyword.detector import OperatingPoint
from sweepnet_service.detectors.keyword.evaluate.curve import separate_peaks
from sweepnet_service.detectors.keyword.frontend import FrontEnd
from sweepnet_service.detectors.keyword.intake import length_s
from sweepnet_service.detectors.keyword.phones import mean_length, spelling_of, spellings_of
from sweepnet_service.detectors.keyword.trunk import pad
from sweepnet_service.progress import Report, paced

GROUPS = ((3, 4), (5, 6), (7, 8), (9, 11), (12, 16))
"""Numbers of phones, from and to, of words that are told of together."""
WORDS_EACH, LONGEST_PHRASE = 16, 3
RATES = (0.5, 1.0, 2.0, 5.0, 10.0)
FLOOR, APART_STEPS = -8.0, 33
MOST_S, FEWEST_SENTENCES = 1_800.0, 20
SCALE = 10.0
"""Phones are counted in tens, so that the fit is of like numbers."""
LEAST_SLOPE = 0.1


@dataclass(frozen=True)
class Group:
    """Words of `phones` (from, to): how many there were, how often they were said, and thresholds
    with the false alarms an hour of one such word and the share of misses.
    """

    phones: tuple[int, int]
    words: int
    said: int
    points: tuple[OperatingPoint, ...]


@dataclass(frozen=True)
class Reading:
    """Log odds (slope + more_slope n) score + offset + more_offset n, with n the phones in tens."""

    slope: float
    more_slope: float
    offset: float
    more_offset: float
    groups: tuple[Group, ...]
    words: int
    hours: float

    def scale_of(self, phones: int) -> tuple[float, float]:
        """(scale, offset) from path scores of words with so many phones to log odds."""
        count = phones / SCALE
        scale = max(LEAST_SLOPE, self.slope + self.more_slope * count)
        return scale, self.offset + self.more_offset * count

    def points_of(self, phones: int) -> tuple[OperatingPoint, ...]:
        """The operating points of words with about so many phones."""
        apart = [max(g.phones[0] - phones, phones - g.phones[1], 0) for g in self.groups]
        return self.groups[int(np.argmin(apart))].points

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "rates": list(RATES)}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        groups = tuple(
            Group(
                (int(each["phones"][0]), int(each["phones"][1])),
                each["words"],
                each["said"],
                tuple(OperatingPoint(**point) for point in each["points"]),
            )
            for each in told["groups"]
        )
        rest = {name: value for name, value in told.items() if name not in ("groups", "rates")}
        return cls(groups=groups, **rest)


@dataclass(frozen=True)
class Probe:
    """One word or phrase read off speech: its path scores where it is said, peaks elsewhere."""

    phones: int
    said: Array
    others: Array


def fitted_reading(
    net: Layer, front: FrontEnd, recordings: Sequence[Recording], report: Report
) -> Reading | None:
    """What a phone network's paths are worth on these recordings; None of too few sentences, or
    words.
    """
    rows = within(recordings, MOST_S)
    if len(rows) < FEWEST_SENTENCES:
        return None
    costs, starts = read(net, front, rows, report)
    words = chosen_words([row.text for row in rows])
    tell = paced("words read off phones", len(words), report)
    probes = []
    for done, (text, spellings) in enumerate(words.items(), 1):
        probes.append(probe(costs, starts, rows, text, spellings))
        tell(done)
    hours = sum(map(length_s, rows)) / 3600
    heard = [each for each in probes if len(each.said)]
    return fit(heard, hours) if heard else None


def within(recordings: Sequence[Recording], most_s: float) -> list[Recording]:
    """Recordings spread over all of them that last so long together, in their order."""
    known = [row for row in recordings if row.text]
    drawn = np.random.default_rng(0).permutation(len(known))
    lengths = np.array([length_s(known[n]) for n in drawn])
    kept = drawn[np.cumsum(lengths) <= most_s]
    return [known[int(n)] for n in np.sort(kept)]


def read(
    net: Layer, front: FrontEnd, rows: Sequence[Recording], report: Report
) -> tuple[Array, Integers]:
    """Costs (1 + phones, steps) of all recordings one after the other, and where each begins."""
    tell, parts = paced("reading phones", len(rows), report), []
    for done, (_, samples) in enumerate(read_samples(rows), 1):
        logits = net.forward(pad([front.frames(samples)], front))[0]
        parts.append((logits - logits.max(axis=1, keepdims=True)).astype(np.float32))
        tell(done)
    starts = np.cumsum([0, *map(len, parts)])
    return np.concatenate(parts).T, starts


def chosen_words(texts: Sequence[str]) -> dict[str, tuple[tuple[int, ...], ...]]:
    """Words and phrases of the texts as they are said, so many of each group of lengths."""
    phrases = sorted({phrase for text in texts for phrase in phrases_of(text)})
    found: dict[str, tuple[tuple[int, ...], ...]] = {}
    missing = dict.fromkeys(GROUPS, WORDS_EACH)
    for index in np.random.default_rng(0).permutation(len(phrases))[: 40 * WORDS_EACH]:
        if not any(missing.values()):
            break
        text = phrases[int(index)]
        word = spelling_of(text)
        group = next((each for each in GROUPS if each[0] <= len(word) <= each[1]), None)
        if group and missing[group]:
            missing[group] -= 1
            found[text] = spellings_of(text)
    return found


def phrases_of(text: str) -> Iterator[str]:
    """One to three words in a row."""
    words = text.lower().split()
    for count in range(1, LONGEST_PHRASE + 1):
        for first in range(len(words) - count + 1):
            yield " ".join(words[first : first + count])


def probe(
    costs: Array,
    starts: Integers,
    rows: Sequence[Recording],
    text: str,
    spellings: Sequence[tuple[int, ...]],
) -> Probe:
    """A word read off all recordings, as whichever of its pronunciations fits best."""
    size, heard = path_steps(spellings), costs[:, :, None].astype(np.float64)
    paths = [best_score(heard, spelling, size)[:, 0] for spelling in spellings]
    scores = np.maximum(np.max(paths, axis=0), FLOOR)
    holds = [says(row, text) for row in rows]
    exact = [says_exactly(row, text) for row in rows]
    said = [
        float(scores[start : max(start + 1, past - size + 1)].max())
        for start, past, held in zip(starts[:-1], starts[1:], exact, strict=True)
        if held and start < len(scores)
    ]
    # A window that reaches into a sentence with the word may hear it.
    other = ~spread(np.repeat(holds, np.diff(starts)), size)[: len(scores)]
    # As long as a window holds the whole word its score stays: a peak is there several times.
    apart = np.unique(separate_peaks(np.where(other, scores, FLOOR), APART_STEPS))
    return Probe(mean_length(spellings), np.array(said), apart[apart > FLOOR])


def spread(flags: Flags, size: int) -> Flags:
    """True also for the `size` - 1 places before one that is."""
    summed = np.concatenate([[0], np.cumsum(flags)])
    past = np.minimum(np.arange(len(flags)) + size, len(flags))
    held: Flags = summed[past] > summed[:-1]
    return held


def fit(probes: Sequence[Probe], hours: float) -> Reading:
    """The log odds of words and other peaks, each kind as heavy, each word as heavy as another."""
    rows, targets, weights = [], [], []
    for each in probes:
        for target, scores in ((1.0, each.said), (0.0, each.others)):
            rows.append(features(scores, each.phones))
            targets.append(np.full(len(scores), target))
            weights.append(np.full(len(scores), 1 / max(1, len(scores) * len(probes))))
    values, spoken, weight = map(np.concatenate, (rows, targets, weights))

    def loss(parameters: Array) -> tuple[float, Array]:
        odds = values @ parameters
        surprise = np.logaddexp(0, odds) - spoken * odds
        return float(weight @ surprise), (weight * (expit(odds) - spoken)) @ values

    best = minimize(loss, np.zeros(4), jac=True, method="L-BFGS-B").x
    slope, more_slope, offset, more_offset = best.tolist()
    plain = Reading(slope, more_slope, offset, more_offset, (), len(probes), hours)
    groups = (grouped(plain, probes, phones, hours) for phones in GROUPS)
    return replace(plain, groups=tuple(group for group in groups if group.words))


def features(scores: Array, phones: int) -> Array:
    """What log odds are linear in, (n, 4)."""
    ones, count = np.ones_like(scores), phones / SCALE
    return np.stack([scores, count * scores, ones, count * ones], axis=1)


def grouped(
    reading: Reading, probes: Sequence[Probe], phones: tuple[int, int], hours: float
) -> Group:
    """The operating points of words with so many phones, pooled."""
    own = [each for each in probes if phones[0] <= each.phones <= phones[1]]
    if not own:
        return Group(phones, 0, 0, ())
    said = np.concatenate([odds_of(reading, each.phones, each.said) for each in own])
    others = np.concatenate([odds_of(reading, each.phones, each.others) for each in own])
    highest, behind = np.sort(others)[::-1], len(own) * hours
    points = [
        point_at(rate, highest, said, behind) for rate in RATES if 1 <= rate * behind < len(highest)
    ]
    return Group(phones, len(own), len(said), tuple(points))


def odds_of(reading: Reading, phones: int, scores: Array) -> Array:
    """The log odds of path scores."""
    scale, offset = reading.scale_of(phones)
    return scale * scores + offset


def point_at(rate: float, highest: Array, said: Array, hours: float) -> OperatingPoint:
    """The threshold at which so many of the peaks, from the highest, are told in so many hours."""
    cut = float(highest[int(rate * hours)])
    return OperatingPoint(float(expit(cut)), rate, float(np.mean(said <= cut)), hours)
