"""Whole training steps: ours in one and two shards, PyTorch on one and two threads, in turn.

A step draws its batch from memory, runs forward and backward and updates the weights.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from threadpoolctl import threadpool_limits
from torch.nn import functional as F  # noqa: N812

from benchmarks.measure import OURS, Case, seconds
from benchmarks.twin import channels_second, twin
from cnn_core.arrays import Array, Integers
from cnn_core.batches import Arrays
from cnn_core.fit import Task, advance, batch_gradient, begin
from cnn_core.layers import Layer
from cnn_core.networks import lenet5, resnet18
from cnn_core.optim import Sgd
from cnn_core.recipes import Recipe
from cnn_core.schedules import Constant

BATCH, EXAMPLES = 128, 2560
OPTIMISER, RATE = Sgd(0.9, weight_decay=5e-4, decay_on="all"), 0.01
POOL = ThreadPoolExecutor(2)
Step = Callable[[], Array]


@dataclass(frozen=True)
class Material:
    """A network and examples for it, random ones: time does not depend on what they show."""

    name: str
    net: Layer
    inputs: Array
    classes: Integers


def materials() -> list[Material]:
    """LeNet-5, the digits' network, and a thin ResNet-18 on pictures of 32 x 32."""
    rng = np.random.default_rng(0)
    nets: dict[str, tuple[Layer, tuple[int, ...]]] = {
        "LeNet-5, 28 x 28": (lenet5(rng, padding=2), (28, 28, 1)),
        "ResNet-18, an eighth as wide, 32 x 32": (resnet18(rng, 10, width=0.125), (32, 32, 3)),
    }
    return [
        Material(
            f"{name}, batch of {BATCH}",
            net,
            rng.standard_normal((EXAMPLES, *shape)).astype(np.float32),
            rng.integers(0, 10, EXAMPLES),
        )
        for name, (net, shape) in nets.items()
    ]


def task_of(given: Material, shards: int) -> Task:
    recipe = Recipe(BATCH, 10**6, OPTIMISER, Constant(RATE))
    return Task(Arrays(given.inputs, given.classes), recipe, shards=shards)


def our_step(given: Material, shards: int) -> Step:
    task = task_of(given, shards)
    state, each = begin(task, given.net), POOL.map if shards > 1 else map

    def step() -> Array:
        nonlocal state
        state, loss, _ = advance(task, state, each)
        return np.array(loss)

    return step


def torch_step(given: Material, threads: int) -> Step:
    module = twin(given.net).train()
    stepper = torch.optim.SGD(
        module.parameters(), RATE, OPTIMISER.momentum, weight_decay=OPTIMISER.weight_decay
    )
    inputs, classes = channels_second(given.inputs), torch.from_numpy(given.classes)
    task, count = task_of(given, 1), itertools.count()

    def step() -> Array:
        torch.set_num_threads(threads)
        rows = torch.from_numpy(task.rows(next(count))[0])
        stepper.zero_grad()
        loss = F.cross_entropy(module(inputs[rows]), classes[rows])
        loss.backward()  # type: ignore[no-untyped-call]
        stepper.step()
        return np.array(loss.item())

    return step


def our_parts(given: Material) -> dict[str, Step]:
    """The update by itself, to tell its share of a step."""
    _, gradient = batch_gradient(task_of(given, 1), given.net, 0)
    state = OPTIMISER.init(given.net)

    def update() -> Array:
        OPTIMISER.step(given.net, state, gradient, RATE)
        return np.zeros(0)

    return {"update": update}


def row(given: Material, budget_s: float) -> dict[str, object]:
    """Median milliseconds of a step by each competitor, ratios, and the update's share."""
    runs = {OURS: our_step(given, 1), "2 shards": our_step(given, 2), **our_parts(given)}
    peers = {f"torch, {n} threads": torch_step(given, n) for n in (1, 2)}
    taken = seconds(Case(given.name, {**runs, **peers}), budget_s)
    ms = {name: 1e3 * statistics.median(values) for name, values in taken.items()}
    ratios = {
        "of torch, 1 thread": ms["torch, 1 threads"] / ms[OURS],
        "of torch, 2 threads": ms["torch, 2 threads"] / ms["2 shards"],
        "2 shards' gain": ms[OURS] / ms["2 shards"],
        "update's share": ms.pop("update") / ms[OURS],
    }
    rounded = {key: float(f"{value:.3g}") for key, value in {**ms, **ratios}.items()}
    return {"case": given.name, **rounded}


def show(rows: list[dict[str, object]]) -> None:
    """Times in milliseconds; our speed as a share of PyTorch's."""
    table = Table(title="a training step: median ms; shares of PyTorch's speed", box=None)
    for heading in rows[0]:
        table.add_column(heading, justify="left" if heading == "case" else "right")
    for each in rows:
        table.add_row(*map(str, each.values()))
    Console(width=180).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="time for each case")
    given = parser.parse_args()
    with threadpool_limits(1):
        measure = partial(row, budget_s=given.seconds)
        rows = list(track(map(measure, materials()), "measuring", transient=True))
    show(rows)
    versions = {name: version(name) for name in ("numpy", "torch")}
    print(json.dumps({"bench": "training", **versions, "rows": rows}))


if __name__ == "__main__":
    main()
