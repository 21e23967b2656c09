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

from .batches import Pool, batch, material, pool
from .config import TrainConfig
from .losses import LossParts, detection_loss
from .network import flower_net
from .teacher import completed_by, digest_of

CHECKPOINT = "checkpoint.safetensors"
REPORT_EVERY = 25
Each = Callable[[Callable[[int], Any], Iterable[int]], Iterable[Any]]
"""`map`, or that of a pool of threads."""


@dataclass(frozen=True, eq=False)
class State:
    """Everything a training carries from step to step."""

    step: int
    net: Sequential
    average: Sequential
    optimiser: AdamState[Sequential]


def fit(
    config: TrainConfig, progress: Report, stop: Callable[[], bool] = lambda: False
) -> Sequential:
    """Train to the end; returns the averaged network, its species answers still attached.

    `stop` is asked after every step; when it says so the state is kept and an error raised.
    """
    state = resume(config) or begin(config)
    if state.step == config.steps:
        return state.average
    progress(Progress("reading pictures", state.step, config.steps))
    photos = pool(material(config).learn, config.species, completed_by(config))
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


def begin(config: TrainConfig) -> State:
    """A fresh optimiser, and a network decided by the seed or taken from an earlier training."""
    rng = np.random.default_rng(config.seed)
    net = flower_net(rng, config.widths, config.pyramid, len(config.species))
    if config.start_from is not None:
        trees, _ = checkpoint.load(config.start_from / CHECKPOINT, {"average": net})
        net = trees["average"]
    return State(0, net, net, _optimiser(config).init(net))


def advance(
    config: TrainConfig, photos: Pool, state: State, each: Each = map
) -> tuple[State, LossParts]:
    """One step: draw a batch, forward, loss, backward, update, average."""

    def part_gradient(part: int) -> tuple[Sequential, LossParts]:
        drawn = batch(photos, config, state.step, part)
        outputs, pull = state.net.vjp_weights(drawn.inputs, np.random.default_rng(0))
        _, d_outputs, parts = detection_loss(outputs, drawn.targets, config.loss)
        return pull(d_outputs), parts

    sizes = config.part_sizes
    gradients, parts = zip(*each(part_gradient, range(len(sizes))), strict=True)
    gradient = clip_norm(_mean(gradients, sizes), config.gradient_limit)
    rate = cosine(state.step, config.steps, config.rate, config.warmup_steps)
    net, optimiser = _optimiser(config).step(state.net, state.optimiser, gradient, rate)
    # A young average would remember the untrained network for long: let it follow faster.
    decay = min(config.average_decay, (1 + state.step) / (10 + state.step))
    running = average(state.average, net, decay)
    return State(state.step + 1, net, running, optimiser), parts[0]


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
    record = {"step": state.step, "settings": settings(config)}
    checkpoint.save(config.work_dir / CHECKPOINT, trees, record)


def resume(config: TrainConfig) -> State | None:
    """The state kept in `work_dir`, None where there is none yet."""
    path = config.work_dir / CHECKPOINT
    if not path.exists():
        return None
    fresh = begin(config)
    like = {"net": fresh.net, "average": fresh.average, "optimiser": fresh.optimiser}
    trees, record = checkpoint.load(path, like)
    kept, ours = record["settings"], settings(config)
    if kept != ours:
        differ = sorted(name for name in {*kept, *ours} if kept.get(name) != ours.get(name))
        raise FailedPrecondition(
            config.work_dir.name,
            f"holds a training with other settings ({', '.join(differ)}); choose another folder "
            "(--work-dir) or delete it",
        )
    return State(record["step"], trees["net"], trees["average"], trees["optimiser"])


PLACES = (
    "data", "work_dir", "out", "label", "checkpoint_every", "detect_size_px", "start_from",
    "teacher", "detect_more_px",
)  # fmt: skip


def settings(config: TrainConfig) -> dict[str, Any]:
    """What decides the weights, as JSON; where files lie does not."""
    values = {key: value for key, value in asdict(config).items() if key not in PLACES}
    plain = {key: _plain(value) for key, value in values.items()}
    if config.start_from is not None:
        plain["started_from"] = checkpoint.record(config.start_from / CHECKPOINT)["settings"]
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
        return Progress("training", step, self._config.steps, left, message)

    def _work(self, step: int) -> float:
        """Pixels of all steps before `step`, in units of one picture of 1 x 1."""
        total, start, done = 0.0, 0.0, step / self._config.steps
        for phase in self._config.phases:
            part = max(0.0, min(done, phase.until) - start)
            total += part * phase.size_px**2
            start = phase.until
        return total
