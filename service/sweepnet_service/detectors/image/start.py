"""The first weights of a training: by chance, of an earlier training, or of a finished model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cnn_core import checkpoint, modelfile
from cnn_core.arrays import Array
from cnn_core.errors import CoreError
from cnn_core.layers import Conv2d, Layer, Sequential
from cnn_core.unfold import unfold
from sweepnet_service.errors import InvalidInput

from .config import TrainConfig
from .layout import BOX, PLAIN, Layout
from .network import flower_net
from .teacher import digest_of

CHECKPOINT = "checkpoint.safetensors"


def by_chance(config: TrainConfig, layout: Layout) -> Sequential:
    """A network decided by the seed."""
    rng = np.random.default_rng(config.seed)
    return flower_net(rng, config.widths, config.pyramid, len(config.species), layout)


def continued(config: TrainConfig, layout: Layout, inputs: Iterable[Array]) -> Sequential:
    """The network of `start_from`, with new answers where it answered something else.

    A model's batch norms are measured on `inputs` (N, S, S, 3). Raises InvalidInput.
    """
    fresh, path = by_chance(config, layout), config.start_from
    if path is None:
        return fresh
    try:
        body, answers, old = _of_work(config, path) if path.is_dir() else _of_model(path)
        if path.is_file():
            like = Sequential(fresh.layers[:-1])
            body = unfold(body, like, list(inputs))
    except CoreError as error:
        raise InvalidInput("start_from", f"{path.name} does not fit: {error}") from error
    if not isinstance(body, Sequential):
        raise InvalidInput("start_from", f"{path.name} does not fit: it is no sequence of layers")
    last = fresh.layers[-1]
    return Sequential((*body.layers, _answers(last, layout, answers, old)))


def told(path: Path) -> dict[str, Any]:
    """What a card says of where a training started."""
    if path.is_dir():
        return dict(checkpoint.record(path / CHECKPOINT)["settings"])
    card = modelfile.load(path).description.get("card") or {}
    return {**(card.get("training") or {}), "model": digest_of(path)}


def _of_work(config: TrainConfig, folder: Path) -> tuple[Layer, Layer, Layout]:
    settings = checkpoint.record(folder / CHECKPOINT)["settings"]
    layout = layout_from(settings.get("layout"))
    rng, species = np.random.default_rng(0), len(settings["species"])
    like = flower_net(rng, config.widths, config.pyramid, species, layout)
    trees, _ = checkpoint.load(folder / CHECKPOINT, {"average": like})
    layers = trees["average"].layers
    return Sequential(layers[:-1]), layers[-1], layout


def _of_model(path: Path) -> tuple[Layer, Layer, Layout]:
    model = modelfile.load(path)
    if not isinstance(model.net, Sequential) or "labels" not in model.description:
        raise CoreError("it is no image detector")
    layers = model.net.layers
    return Sequential(layers[:-1]), layers[-1], layout_of(model.description)


def layout_of(description: Any) -> Layout:
    """The layout that a model file's description states."""
    return Layout(
        len(description["labels"]),
        str(description.get("shape", BOX)),
        tuple(map(str, description.get("point_names", ()))),
    )


def layout_from(kept: Any) -> Layout:
    """The layout that a checkpoint's settings state; those of one label and boxes state none."""
    if not kept:
        return PLAIN
    return Layout(int(kept["labels"]), str(kept["shape"]), tuple(kept["point_names"]))


def _answers(fresh: Layer, layout: Layout, given: Layer, old: Layout) -> Layer:
    """The answers given, where they have the same form: also a score is a better start than
    chance. Else the sides alone, and the points where they are the same ones."""
    if not isinstance(fresh, Conv2d) or not isinstance(given, Conv2d):
        raise InvalidInput("start_from", "does not fit: its last layer is no convolution")
    if old == layout and given.weight.shape == fresh.weight.shape:
        return given
    pairs = [(layout.sides, old.sides)]
    if old == layout:
        pairs = [(slice(0, layout.channels),) * 2]
    elif old.shape == layout.shape and old.point_names == layout.point_names:
        pairs.append((layout.places, old.places))
    weight, bias = fresh.weight.copy(), np.array(fresh.bias)
    for ours, theirs in pairs:
        if theirs.start < theirs.stop and ours.start < ours.stop:
            weight[..., ours] = given.weight[..., theirs]
            bias[ours] = np.array(given.bias)[theirs]
    return replace(fresh, weight=weight, bias=bias)
