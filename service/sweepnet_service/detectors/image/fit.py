"""Fit the network with the project's own core; a run that is stopped goes on where it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cnn_core import checkpoint
from cnn_core.arrays import Array
from cnn_core.layers import Sequential
from cnn_core.optim import AdamState, AdamW, average, clip_norm
from cnn_core.schedules import cosine
from cnn_core.tree import tree_map
from sweepnet_service.errors import FailedPrecondition
from sweepnet_service.progress import Progress, Report

from .batches import Batch, Pool, batch, material, pool, with_hard
from .config import TrainConfig
from .layout import PLAIN, TURNED, Layout
from .losses import LossParts, LossWeights, detection_loss
from .presence import Present, presence_loss
from .start import CHECKPOINT, by_chance, continued, told
from .teacher import completed_by, digest_of

REPORT_EVERY = 25
MEASURED = 4
"""Batches on which the batch norms of a finished model are measured."""
Each = Callable[[Callable[[int], Any], Iterable[int]], Iterable[Any]]
"""`map`, or that of a pool of threads."""


@dataclass(frozen=True, eq=False)
class State:
    """Everything a training carries from step to step."""

    step: int
    net: Sequential
    average: Sequential
    optimiser: AdamState[Sequential]
    layout: Layout = PLAIN


def fit(
    config: TrainConfig, progress: Report, stop: Callable[[], bool] = lambda: False
) -> Sequential:
    """Train to the end; returns the averaged network, its species answers still attached.

    `stop` is asked after every step; when it says so the state is kept and an error raised.
    """
    kept_state = resume(config)
    if kept_state is not None and kept_state.step == config.steps:
        return kept_state.average
    progress(Progress("reading pictures", kept_state.step if kept_state else 0, config.steps))
    photos = photos_of(config)
    state = kept_state or begin(config, photos)
    clock, kept = _Clock(config, state.step), state
    try:
        with ThreadPoolExecutor(config.shards) as threads:
            while state.step < config.steps:
                state, parts = advance(config, photos, state, threads.map)
                if state.step % REPORT_EVERY == 0:
                    progress(clock.at(state.step, parts))
                if state.step % config.checkpoint_every == 0:
                    keep(config, state)
                    kept = state
                if stop() and state.step < config.steps:
                    raise FailedPrecondition(
                        "training", f"stopped at step {state.step}; start it again"
                    )
    finally:
        # Whatever ended the loop, Ctrl-C included: no step is taken twice.
        if state is not kept:
            keep(config, state)
    return state.average


def photos_of(config: TrainConfig) -> Pool:
    """All pictures of a training, decoded."""
    used = material(config)
    return with_hard(pool(used.learn, config.species, completed_by(config), used.layout), config)


def begin(config: TrainConfig, photos: Pool | None = None) -> State:
    """A fresh optimiser, and a network decided by the seed or taken from an earlier training; the
    batch norms of a finished model are measured on the first batches of `photos`."""
    layout = material(config).layout if photos is None else photos.layout
    if config.start_from is None:
        net = by_chance(config, layout)
    else:
        seen = photos_of(config) if photos is None else photos
        net = continued(
            config, layout, (batch(seen, config, step).inputs for step in range(MEASURED))
        )
    return State(0, net, net, _optimiser(config).init(net), layout)


def advance(
    config: TrainConfig, photos: Pool, state: State, each: Each = map
) -> tuple[State, LossParts]:
    """One step: draw a batch, forward, loss, backward, update, average."""

    def part_gradient(part: int) -> tuple[Sequential, LossParts]:
        drawn = batch(photos, config, state.step, part)
        outputs, pull = state.net.vjp_weights(drawn.inputs, np.random.default_rng(0))
        parts, d_outputs = _loss(outputs, drawn, config.loss, photos.layout)
        return pull(d_outputs), parts

    sizes = config.part_sizes
    gradients, parts = zip(*each(part_gradient, range(len(sizes))), strict=True)
    gradient = clip_norm(_mean(gradients, sizes), config.gradient_limit)
    rate = cosine(state.step, config.steps, config.rate, config.warmup_steps)
    net, optimiser = _optimiser(config).step(state.net, state.optimiser, gradient, rate)
    # A young average would remember the untrained network for long: let it follow faster.
    decay = min(config.average_decay, (1 + state.step) / (10 + state.step))
    running = average(state.average, net, decay)
    return State(state.step + 1, net, running, optimiser, state.layout), parts[0]


def _loss(
    outputs: Array, drawn: Batch, weights: LossWeights, layout: Layout
) -> tuple[LossParts, Array]:
    """The terms, and the gradient of their sum."""
    if isinstance(drawn.targets, Present):
        score, gradient = presence_loss(outputs, drawn.targets)
        return LossParts(score), gradient
    _, gradient, parts = detection_loss(outputs, drawn.targets, weights, layout)
    return parts, gradient


def _mean(gradients: Sequence[Sequential], sizes: Sequence[int]) -> Sequential:
    """The mean of the parts' gradients by their numbers of pictures."""
    if len(gradients) == 1:
        return gradients[0]
    shares = [size / sum(sizes) for size in sizes]

    def weighted(*each: Array) -> Array:
        terms = [share * array for share, array in zip(shares, each, strict=True)]
        return np.asarray(sum(terms[1:], start=terms[0]), each[0].dtype)

    return tree_map(weighted, *gradients)


def _optimiser(config: TrainConfig) -> AdamW:
    return AdamW(weight_decay=config.weight_decay)


def keep(config: TrainConfig, state: State) -> None:
    """Write the state to `work_dir`, whole or not at all."""
    trees = {"net": state.net, "average": state.average, "optimiser": state.optimiser}
    record = {"step": state.step, "settings": settings(config, state.layout)}
    checkpoint.save(config.work_dir / CHECKPOINT, trees, record)


def resume(config: TrainConfig) -> State | None:
    """The state kept in `work_dir`, None where there is none yet."""
    path = config.work_dir / CHECKPOINT
    if not path.exists():
        return None
    layout = material(config).layout
    kept, ours = checkpoint.record(path)["settings"], settings(config, layout)
    if kept != ours:
        differ = sorted(name for name in {*kept, *ours} if kept.get(name) != ours.get(name))
        raise FailedPrecondition(
            config.work_dir.name,
            f"holds a training with other settings ({', '.join(differ)}); choose another folder "
            "(--work-dir) or delete it",
        )
    net = by_chance(config, layout)
    like = {"net": net, "average": net, "optimiser": _optimiser(config).init(net)}
    trees, record = checkpoint.load(path, like)
    return State(record["step"], trees["net"], trees["average"], trees["optimiser"], layout)


PLACES = (
    "data", "work_dir", "out", "label", "checkpoint_every", "detect_size_px", "start_from",
    "teacher", "detect_more_px", "detect_mirrored", "detect_fused", "detect_voters", "shape",
)  # fmt: skip

LATER = ("leave_out_species", "hard_share", "close_share")
"""Settings that earlier trainings did not have: told where they are used."""


def settings(config: TrainConfig, layout: Layout = PLAIN) -> dict[str, Any]:
    """What decides the weights, as JSON; where files lie does not.

    Of a training that uses nothing new it is what it was then, so that those of then go on.
    """
    values = {key: value for key, value in asdict(config).items() if key not in PLACES}
    plain = {key: _plain(value) for key, value in values.items()}
    for name in LATER:
        if not plain[name]:
            del plain[name]
    if layout.shape != TURNED:
        del plain["loss"]["turned"]
    if layout == PLAIN:
        del plain["loss"]["points"]
    else:
        plain["layout"] = _plain(asdict(layout))
    if config.start_from is not None:
        plain["started_from"] = told(config.start_from)
    if config.teacher is not None:
        plain["taught_by"] = digest_of(config.teacher)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


class _Clock:
    """Estimates the time left from the pixels still to come, as larger inputs take longer."""

    def __init__(self, config: TrainConfig, step: int) -> None:
        self._config = config
        self._start = time.monotonic()
        self._first_work = self._work(step)

    def at(self, step: int, parts: LossParts) -> Progress:
        spent = time.monotonic() - self._start
        done = self._work(step) - self._first_work
        left = spent * (self._work(self._config.steps) - self._work(step)) / max(done, 1e-9)
        message = f"score {parts.score:.3f} box {parts.box:.3f} species {parts.species:.3f}"
        message += f" points {parts.points:.3f}" if parts.points else ""
        message += f" turned {parts.turned:.3f}" if parts.turned else ""
        return Progress("training", step, self._config.steps, left, message)

    def _work(self, step: int) -> float:
        """Pixels of all steps before `step`, in units of one picture of 1 x 1."""
        total, start, done = 0.0, 0.0, step / self._config.steps
        for phase in self._config.phases:
            part = max(0.0, min(done, phase.until) - start)
            total += part * phase.size_px**2
            start = phase.until
        return total
