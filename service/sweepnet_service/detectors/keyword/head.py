"""The head of one keyword: trunk activations (N, T, 160) -> a logit a step, with hard negatives.

The label is weak: somewhere in 13 outputs round the middle of the word the logit must be high;
nowhere else. The loss is binary cross-entropy of the maximum over 13 outputs. A recording of which
only is known that it holds the word is a bag: the maximum over all its outputs counts (multiple
instance learning; Dietterich 1997).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cnn_core import checkpoint, modelfile
from cnn_core.aggregate import Max
from cnn_core.arrays import Array, Integers
from cnn_core.errors import CoreError
from cnn_core.layers import BatchNorm, Conv1d, Relu, Sequential
from cnn_core.losses import binary_cross_entropy
from cnn_core.optim import AdamW, clip_norm
from cnn_core.schedules import cosine
from cnn_core.tree import tree_map
from cnn_core.weak import Padded, Swept
from sweepnet_service.detectors.keyword.activations import SEGMENT_STEPS
from sweepnet_service.detectors.keyword.disturb import disturb
from sweepnet_service.detectors.keyword.trunk import residual
from sweepnet_service.progress import Progress, Report

OUTPUTS = 13
KEEP_EVERY = 100
"""Steps between two kept states: what an interruption may cost."""
Place = tuple[int, int, int]
"""Set, row and first step of a negative segment."""


@dataclass(frozen=True)
class HeadSettings:
    """A head's shape, and how it is trained; `widest` is the dilation of its last convolution.

    One that is `disturbed` learns from activations with noise and missing channels.
    """

    channels: int = 48
    dropout: float = 0.1
    steps: int = 600
    rounds: int = 3
    rate: float = 2e-3
    weight_decay: float = 0.02
    batch_positive: int = 48
    batch_negative: int = 112
    batch_weak: int = 8
    hard_pool: int = 3_000
    hard_share: float = 0.5
    disturbed: bool = False
    widest: int = 8
    seed: int = 0

    def of_mean(self, number: int) -> HeadSettings:
        """Those of a head of several of which the mean is taken: another seed, every second one
        at least disturbed, for heads that learnt differently err apart.
        """
        disturbed = self.disturbed or number % 2 == 1
        return replace(self, seed=self.seed + number, disturbed=disturbed)

    @property
    def dilations(self) -> tuple[int, ...]:
        """Of the residual convolutions."""
        return (1, 2, 4, self.widest)

    @property
    def width(self) -> int:
        """How many steps a logit sees."""
        return 1 + 2 * sum(self.dilations)


@dataclass(frozen=True)
class Examples:
    """What a head learns from, as activations of the trunk.

    `positive`: segments (n, 43, C) with the word in the middle, in groups with shares of the batch;
    `negative`: streams (rows, steps, C) without it; `weak`: recordings (steps, C) that hold it
    somewhere, at least 31 steps each.
    """

    positive: Sequence[tuple[float, Array]]
    negative: Sequence[Array]
    weak: Sequence[Array] = ()


@dataclass(frozen=True)
class State:
    """A training between two steps; the draws to come are those of `rng`."""

    step: int
    net: Sequential
    slots: Any
    rng: np.random.Generator
    hard: tuple[Place, ...] = ()


def build_head(rng: np.random.Generator, channels_in: int, settings: HeadSettings) -> Sequential:
    """1x1 convolution, four residual ones of three taps, 1x1 to a logit; 31 steps by default."""
    width = settings.channels
    narrow = Conv1d.create(rng, channels_in, width, kernel=1, bias=False)
    blocks = [residual(rng, width, each, settings.dropout) for each in settings.dilations]
    output = Conv1d.create(rng, width, 1, kernel=1)
    return Sequential((narrow, BatchNorm.create(width), Relu(), *blocks, output))


def kept_head(
    path: Path, known: Callable[[], Examples], settings: HeadSettings, report: Report
) -> Sequential:
    """The head in the model file at `path`, trained on what is `known` and put there where none is,
    or one of other settings; one that was stopped goes on to the same weights.
    """
    told = {"settings": asdict(settings)}
    head = read_head(path, told)
    if head is None:
        halfway = path.with_suffix(".partial")
        head = train_head(known(), settings, report, halfway)
        modelfile.save(path, head, told)
        halfway.unlink(missing_ok=True)
    return head


def read_head(path: Path, told: Mapping[str, object]) -> Sequential | None:
    """The head at `path` if it was trained as is told; None where it has to be trained."""
    if not path.exists():
        return None
    try:
        kept = modelfile.load(path)
    except CoreError:
        return None
    net = kept.net
    return net if kept.description == told and isinstance(net, Sequential) else None


def train_head(
    examples: Examples, settings: HeadSettings, report: Report, path: Path | None = None
) -> Sequential:
    """The trained head: `rounds` times `steps` steps, hard negatives gathered after each round.

    With a `path` it is kept there every so many steps and goes on from there, to the same weights.
    """
    total = settings.steps * settings.rounds
    state = begun(examples, settings)
    if path is not None:
        state = resumed(path, state, settings)
    while state.step < total:
        if state.step and state.step % settings.steps == 0:
            hard = hardest(state.net, examples.negative, settings.hard_pool)
            state = replace(state, hard=tuple(hard))
        state, loss = advanced(state, examples, settings)
        if state.step % KEEP_EVERY == 0 or state.step == total:
            if path is not None:
                keep(path, state, settings)
            report(Progress("head", state.step, total, None, f"loss {loss:.4f}"))
    return state.net


def begun(examples: Examples, settings: HeadSettings) -> State:
    """A new head, and empty slots of its optimiser."""
    rng = np.random.default_rng(settings.seed)
    net = build_head(rng, examples.negative[0].shape[2], settings)
    return State(0, net, AdamW(weight_decay=settings.weight_decay).init(net), rng)


def advanced(state: State, examples: Examples, settings: HeadSettings) -> tuple[State, float]:
    """One step: draw a batch and some bags, loss of each one's highest score, update."""
    step, net, rng = state.step, state.net, state.rng
    values, targets = batch(examples, state.hard, settings, rng)
    if settings.disturbed:
        values = disturb(values, rng)
    loss, grads = gradient(net, values, targets, rng)
    if examples.weak:
        more, weak_grads = weak_gradient(net, examples.weak, settings, rng)
        loss, grads = loss + more, tree_map(np.add, grads, weak_grads)
    total = settings.steps * settings.rounds
    rate = cosine(step, total, settings.rate, total // 20)
    optimiser = AdamW(weight_decay=settings.weight_decay)
    net, slots = optimiser.step(net, state.slots, clip_norm(grads, 5.0), rate)
    return State(step + 1, net, slots, rng, state.hard), loss


def keep(path: Path, state: State, settings: HeadSettings) -> None:
    """Write what is needed to go on from here."""
    record = {
        "step": state.step,
        "random": state.rng.bit_generator.state,
        "hard": state.hard,
        "settings": asdict(settings),
    }
    checkpoint.save(path, {"net": state.net, "slots": state.slots}, record)


def resumed(path: Path, fresh: State, settings: HeadSettings) -> State:
    """The state kept at `path`; the fresh one where there is none, or one of other settings."""
    if not path.exists():
        return fresh
    try:
        trees, record = checkpoint.load(path, {"net": fresh.net, "slots": fresh.slots})
    except CoreError:
        return fresh
    if record["settings"] != asdict(settings):
        return fresh
    rng = np.random.default_rng()
    rng.bit_generator.state = record["random"]
    hard = tuple((which, row, step) for which, row, step in record["hard"])
    return State(record["step"], trees["net"], trees["slots"], rng, hard)


def batch(
    examples: Examples,
    hard: Sequence[Place],
    settings: HeadSettings,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Segments (B, 43, C) and whether each holds the word, (B,)."""
    shares = np.array([share for share, _ in examples.positive])
    drawn = settings.batch_positive if len(shares) else 0
    groups = rng.choice(len(shares), drawn, p=shares / shares.sum()) if drawn else ()
    positive = [
        examples.positive[group][1][rng.integers(len(examples.positive[group][1]))]
        for group in groups
    ]
    negative = [
        segment(examples.negative, *place)
        for place in drawn_places(examples.negative, hard, settings, rng)
    ]
    targets = np.repeat([1.0, 0.0], [len(positive), len(negative)]).astype(np.float32)
    return np.stack([*positive, *negative]).astype(np.float32), targets


def drawn_places(
    rows: Sequence[Array],
    hard: Sequence[Place],
    settings: HeadSettings,
    rng: np.random.Generator,
) -> list[Place]:
    """Places of negative segments: a share of hard ones, the others anywhere."""
    count = settings.batch_negative
    from_hard = int(count * settings.hard_share) if hard else 0
    places = [hard[int(index)] for index in rng.integers(0, max(1, len(hard)), from_hard)]
    sizes = np.array([len(part) * max(0, part.shape[1] - SEGMENT_STEPS) for part in rows])
    for which in rng.choice(len(rows), count - from_hard, p=sizes / sizes.sum()):
        part = rows[which]
        row = int(rng.integers(len(part)))
        places.append((int(which), row, int(rng.integers(part.shape[1] - SEGMENT_STEPS))))
    return places


def segment(rows: Sequence[Array], which: int, row: int, step: int) -> Array:
    return rows[which][row, step : step + SEGMENT_STEPS]


def gradient(
    net: Sequential, recordings: Array | Padded, targets: Array, rng: np.random.Generator
) -> tuple[float, Sequential]:
    """Loss of the maximum over each recording's outputs, and its gradient."""
    logits, pull = Swept(net, Max()).vjp_weights(recordings, rng)
    loss, slope = binary_cross_entropy(logits[:, 0], targets)
    return loss, pull(slope[:, None]).net


def weak_gradient(
    net: Sequential, bags: Sequence[Array], settings: HeadSettings, rng: np.random.Generator
) -> tuple[float, Sequential]:
    """The same for some of the recordings that hold the word somewhere, by their share."""
    chosen = [bags[int(index)] for index in rng.integers(0, len(bags), settings.batch_weak)]
    recordings = Padded.of([bag.astype(np.float32) for bag in chosen])
    loss, grads = gradient(net, recordings, np.ones(len(chosen), np.float32), rng)
    share = np.float32(len(chosen) / (settings.batch_positive + settings.batch_negative))
    return loss * float(share), tree_map(lambda slope: slope * share, grads)


def hardest(net: Sequential, rows: Sequence[Array], count: int) -> list[Place]:
    """The places of negative segments with the highest logits."""
    places: list[Place] = []
    peaks: list[Array] = []
    for which, part in enumerate(rows):
        logits = run(net, part)
        groups = logits.shape[1] // OUTPUTS
        if not groups:
            continue
        best = logits[:, : groups * OUTPUTS].reshape(len(part), groups, OUTPUTS).max(axis=2)
        peaks.append(best.reshape(-1))
        places += [
            (which, row, group * OUTPUTS) for row in range(len(part)) for group in range(groups)
        ]
    order: Integers = np.argsort(-np.concatenate(peaks))[:count]
    return [places[int(index)] for index in order]


def run(net: Sequential, rows: Array, batch_rows: int = 8) -> Array:
    """Logits of rows of activations, (rows, steps - width + 1)."""
    parts = [
        net.forward(rows[first : first + batch_rows].astype(np.float32))[:, :, 0]
        for first in range(0, len(rows), batch_rows)
    ]
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32)
