"""Words learnt together with their trunk: several words in one network, each with a small head.

A head on a frozen trunk (`head.py`) needs minutes and few recordings. Where there are hundreds of
recordings of the words and hours of other speech, the trunk, which knew phones, goes on learning
beside the heads: every step runs the whole network on pieces that are cut and changed afresh. A
word's label is weak, as there: somewhere in the 13 scores of a piece it must be high.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cnn_core import checkpoint
from cnn_core.aggregate import Max
from cnn_core.arrays import Array, Integers
from cnn_core.fold import fold
from cnn_core.layers import Concat, Sequential
from cnn_core.losses import binary_cross_entropy
from cnn_core.optim import AdamW, clip_norm
from cnn_core.schedules import cosine
from cnn_core.weak import Swept
from sweepnet_service.detectors.keyword.features import expand
from sweepnet_service.detectors.keyword.head import OUTPUTS, HeadSettings, build_head
from sweepnet_service.detectors.keyword.pieces import Others, Words
from sweepnet_service.detectors.keyword.spectral import Spectral
from sweepnet_service.errors import FailedPrecondition
from sweepnet_service.progress import Progress, Report

PAUSE = 93
"""Frames of silence on either side of a recording that is searched for hard pieces."""
SEARCH_FRAMES = 12_000
PART = 3_000
"""Frames of a recording that are searched at once; each part may bring a hard piece."""
Hard = tuple[int, int, int]
"""Copy, place and first frame of a piece."""


@dataclass(frozen=True)
class TuneSettings:
    """How words and trunk are trained; `each` pieces of every word and `others` make a batch."""

    steps: int = 1_000
    each: int = 8
    others: int = 88
    trunk_rate: float = 5e-4
    head_rate: float = 2e-3
    weight_decay: float = 0.02
    channels: int = 32
    clip: float = 5.0
    hard_share: float = 0.5
    hard_pool: int = 400
    searches: int = 3
    among: float = 0.33
    keep_every: int = 100
    seed: int = 0


@dataclass(frozen=True)
class Lessons:
    """`words`: for each label its sources with their shares; `others`: what holds none of them,
    of which the first is searched for hard pieces; `changes`: half of a batch by each.
    """

    words: Mapping[str, Sequence[tuple[float, Words]]]
    others: Sequence[Others]
    changes: tuple[Spectral, Spectral]


@dataclass(frozen=True)
class State:
    """A training between two steps."""

    step: int
    net: Sequential
    trunk_slots: Any
    head_slots: Any
    hard: tuple[Hard, ...] = ()


def fine_tuned(
    trunk: Sequential, lessons: Lessons, settings: TuneSettings, path: Path, report: Report
) -> Sequential:
    """trunk -> one logit a label, (N, T, bands) -> (N, T', labels); goes on from the checkpoint at
    `path` if there is one, to the same weights.
    """
    state = resumed(path, begun(trunk, lessons, settings), settings)
    searched = [
        settings.steps * (n + 1) // (settings.searches + 1) for n in range(settings.searches)
    ]
    began_s, first, losses = time.monotonic(), state.step, []
    while state.step < settings.steps:
        if state.step in searched:
            search = searched.index(state.step)
            hard = hardest(state.net, lessons, search, settings.hard_pool)
            state = replace(state, hard=tuple(hard))
        state, loss = advanced(state, lessons, settings)
        losses.append(loss)
        if state.step % settings.keep_every == 0 or state.step == settings.steps:
            keep(path, state, settings)
            left_s = (time.monotonic() - began_s) / (state.step - first)
            left_s *= settings.steps - state.step
            message = f"loss {np.mean(losses[-settings.keep_every :]):.4f}"
            report(Progress("words", state.step, settings.steps, left_s, message))
    return state.net


def begun(trunk: Sequential, lessons: Lessons, settings: TuneSettings) -> State:
    """The trunk with new heads, and empty slots of both optimisers."""
    rng = np.random.default_rng(settings.seed)
    bands = lessons.changes[0].feeds.bands
    channels = trunk.output_shape((1, int(trunk.windows[0].size), bands))[-1]
    shape = HeadSettings(channels=settings.channels)
    heads = Concat(tuple(build_head(rng, channels, shape) for _ in lessons.words))
    optimiser = AdamW(weight_decay=settings.weight_decay)
    return State(0, Sequential((trunk, heads)), optimiser.init(trunk), optimiser.init(heads))


def advanced(state: State, lessons: Lessons, settings: TuneSettings) -> tuple[State, float]:
    """One step: draw a batch, sweep, loss of each label's highest score, update."""
    rng = np.random.default_rng((settings.seed, state.step))
    values, targets = batch(lessons, state.hard, frames_of(state.net), settings, rng)
    logits, pull = Swept(state.net, Max()).vjp_weights(values, rng)
    loss, slope = binary_cross_entropy(logits.reshape(-1), targets.reshape(-1))
    labels = logits.shape[1]
    grads = clip_norm(pull(slope.reshape(logits.shape) * labels).net, settings.clip)
    optimiser = AdamW(weight_decay=settings.weight_decay)
    step, steps = state.step, settings.steps
    trunk, trunk_slots = optimiser.step(
        state.net.layers[0],
        state.trunk_slots,
        grads.layers[0],
        cosine(step, steps, settings.trunk_rate, steps // 5),
    )
    heads, head_slots = optimiser.step(
        state.net.layers[1],
        state.head_slots,
        grads.layers[1],
        cosine(step, steps, settings.head_rate, steps // 20),
    )
    net = Sequential((trunk, heads))
    return State(step + 1, net, trunk_slots, head_slots, state.hard), loss * labels


def batch(
    lessons: Lessons,
    hard: Sequence[Hard],
    frames: int,
    settings: TuneSettings,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Pieces (B, frames, bands) in random order and which label each holds, (B, labels)."""
    speech = lessons.others[0]
    rows = [
        drawn_word(sources, speech, frames, settings.among, rng)
        for sources in lessons.words.values()
        for _ in range(settings.each)
    ]
    from_hard = round(settings.others * settings.hard_share) if hard else 0
    for index in rng.integers(0, max(1, len(hard)), from_hard):
        copy, place, first = hard[int(index)]
        rows.append(speech.at(copy, place, first + int(rng.integers(-9, 10)), frames))
    shares = np.array([source.share for source in lessons.others])
    for which in rng.choice(len(shares), settings.others - from_hard, p=shares / shares.sum()):
        rows.append(lessons.others[int(which)].draw(frames, rng))
    targets = np.zeros((len(rows), len(lessons.words)), np.float32)
    said = settings.each * len(lessons.words)
    targets[np.arange(said), np.arange(said) // settings.each] = 1
    order = rng.permutation(len(rows))
    values, half = np.stack(rows)[order], len(rows) // 2
    one, other = lessons.changes
    return np.concatenate([one(values[:half], rng), other(values[half:], rng)]), targets[order]


def drawn_word(
    sources: Sequence[tuple[float, Words]],
    speech: Others,
    frames: int,
    among: float,
    rng: np.random.Generator,
) -> Array:
    """A piece with the word, from one of its sources by their shares."""
    shares = np.array([share for share, _ in sources])
    _, words = sources[int(rng.choice(len(shares), p=shares / shares.sum()))]
    if rng.random() < among:
        return words.draw_among(speech, frames, rng)
    return words.draw(frames, speech.silence, rng)


def hardest(net: Sequential, lessons: Lessons, search: int, pool: int) -> list[Hard]:
    """For each label the places in other speech with the highest scores, one a recording, or one
    in each 30 s of a longer one.
    """
    speech, deployed, changed = lessons.others[0], fold(net), lessons.changes[0]
    window, copy = net.windows[0], search % len(speech.copies)
    beside = (OUTPUTS - 1) // 2 * int(window.step)
    parts = parts_of(speech.copies[copy].lengths[speech.rows], int(window.size))
    found: list[list[tuple[float, Hard]]] = [[] for _ in lessons.words]
    for chosen in by_length(parts[:, 2], SEARCH_FRAMES):
        places = parts[chosen].tolist()
        longest = max(length for _, _, length in places)
        values = np.stack([speech.at(copy, place, first, longest) for place, first, _ in places])
        if changed.front is not None:
            values = changed.front.compress(expand(values))
        for row, (place, first, length) in zip(deployed.forward(values), places, strict=True):
            heard = row[: max(1, window.count(length))]
            for hits, best, score in zip(
                found, heard.argmax(axis=0), heard.max(axis=0), strict=True
            ):
                at = first + int(best) * int(window.step) - beside
                hits.append((float(score), (copy, place, at)))
    return [hard for hits in found for _, hard in sorted(hits, reverse=True)[:pool]]


def parts_of(lengths: Integers, size: int) -> Integers:
    """(place, first frame, frames) of what is searched at once, (parts, 3); parts of a long
    recording overlap by a window of `size`.
    """
    return np.array(
        [
            (place, first, min(PART + size, length + PAUSE - first))
            for place, length in enumerate(lengths.tolist())
            for first in range(-PAUSE, max(1 - PAUSE, length + PAUSE - size), PART)
        ]
    )


def by_length(lengths: Integers, limit: int) -> Iterator[Integers]:
    """The places of recordings of similar length, of at most `limit` frames together."""
    order = np.argsort(lengths)
    while len(order):
        count = max(1, int(limit // lengths[order[min(len(order), 40) - 1]]))
        yield order[:count]
        order = order[count:]


def frames_of(net: Sequential) -> int:
    """The frames of a piece: so many that the network scores it 13 times."""
    window = net.windows[0]
    return int(window.size + (OUTPUTS - 1) * window.step)


def keep(path: Path, state: State, settings: TuneSettings) -> None:
    """Write what is needed to go on from here."""
    trees = {"net": state.net, "trunk": state.trunk_slots, "heads": state.head_slots}
    record = {"step": state.step, "hard": state.hard, "settings": asdict(settings)}
    checkpoint.save(path, trees, record)


def resumed(path: Path, fresh: State, settings: TuneSettings) -> State:
    """The state kept at `path`, or the fresh one. Raises FailedPrecondition for other settings."""
    if not path.exists():
        return fresh
    like = {"net": fresh.net, "trunk": fresh.trunk_slots, "heads": fresh.head_slots}
    trees, record = checkpoint.load(path, like)
    if record["settings"] != asdict(settings):
        raise FailedPrecondition(
            str(path), "holds a training with other settings; choose another folder or delete it"
        )
    hard = tuple((copy, place, first) for copy, place, first in record["hard"])
    return State(record["step"], trees["net"], trees["trunk"], trees["heads"], hard)
