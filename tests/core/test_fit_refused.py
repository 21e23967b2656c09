"""The training loop: which checkpoints, settings and data it refuses, and how it tells."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from cnn_core import checkpoint, recipes
from cnn_core.batches import Arrays
from cnn_core.errors import ModelFileError, ShapeError, TrainingError
from cnn_core.fit import Fitted, begin, fit
from cnn_core.layers import (
    Dropout,
    Sequential,
    Tanh,
)
from cnn_core.losses import cross_entropy
from cnn_core.measure import error_rate, predict
from cnn_core.optim import Sgd
from cnn_core.schedules import Cosine
from cnn_core.tree import tree_map
from tests.core.fitting import bars, bits, everything, noisy, small_net, task_of


def test_a_checkpoint_of_other_settings_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "c.safetensors"
    train, recipe, settings = everything()
    fit(small_net(), train, replace(recipe, epochs=1), checkpoint=path, **settings)
    before = path.read_bytes()
    with pytest.raises(TrainingError, match=r"settings \(data, epochs, seed\); choose another"):
        fit(small_net(), train, recipe, checkpoint=path, seed=1, **settings)
    plain = replace(recipe, epochs=1, optimiser=Sgd())
    with pytest.raises(TrainingError, match=r"other settings \(optimiser\); choose another"):
        fit(small_net(), train, plain, checkpoint=path, **settings)
    assert path.read_bytes() == before


def stronger(loss=cross_entropy):
    return lambda y, t: loss(y, t)


def with_layer(index, layer):
    layers = list(small_net().layers)
    layers[index] = layer
    return Sequential(tuple(layers))


OTHERS = {
    # All of these were taken up as if they were the same, where the numbers of tensors agreed.
    "another activation": ("network", {"net": with_layer(2, Tanh())}),
    "another dropout": ("network", {"net": with_layer(5, Dropout(0.5))}),
    "another type": ("network", {"net": tree_map(lambda w: w.astype(np.float64), small_net())}),
    "another loss": ("loss", {"loss": partial(cross_entropy, label_smoothing=0.1)}),
    "another function": ("loss", {"loss": stronger()}),
    "validation": ("validation", {"validation": lambda net: 1.0}),
    "other labels": (
        "data",
        {"train": Arrays(bars(np.random.default_rng(1), 26)[0], np.zeros(26, int))},
    ),
    "augmented": ("data", {"train": Arrays(*bars(np.random.default_rng(1), 26), noisy)}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_checkpoint_of_another_network_loss_or_data_is_refused(tmp_path, name):
    path, (part, change) = tmp_path / "c.safetensors", OTHERS[name]
    given = {"net": small_net(), "train": task_of().train, "loss": cross_entropy}
    fit(recipe=task_of().recipe, checkpoint=path, **given)
    with pytest.raises(TrainingError, match=rf"other settings \({part}\); choose another"):
        fit(recipe=task_of().recipe, checkpoint=path, **given | change)


def test_more_epochs_are_refused_where_every_rate_depends_on_their_number(tmp_path):
    """The message tells how to train on: from the weights, which it says how to reach."""
    path = tmp_path / "c.safetensors"
    task = task_of(epochs=1)
    recipe = replace(task.recipe, schedule=Cosine(0.1))
    fitted = fit(small_net(), task.train, recipe, checkpoint=path)
    for epochs in (2, 3):
        with pytest.raises(TrainingError, match=r"\(epochs: .* others\); .*checkpoint\.load"):
            fit(small_net(), task.train, replace(recipe, epochs=epochs), checkpoint=path)
    net = checkpoint.load(path, {"net": small_net()})[0]["net"]
    assert bits(Fitted(net, fitted.history)) == bits(fitted)


def test_fewer_epochs_than_were_trained_are_refused(tmp_path):
    path, task = tmp_path / "c.safetensors", task_of(epochs=2)
    fit(small_net(), task.train, task.recipe, checkpoint=path)
    with pytest.raises(TrainingError, match=r"other settings \(epochs: "):
        fit(small_net(), task.train, replace(task.recipe, epochs=1), checkpoint=path)


@pytest.mark.parametrize(
    ("part", "value"),
    [("step", None), ("schedule", {"rate": 1}), ("history", [1]), ("loss_sum", "")],
)
def test_a_checkpoint_with_a_damaged_record_is_refused(tmp_path, part, value):
    path = tmp_path / "c.safetensors"
    task = task_of(epochs=1)
    fit(small_net(), task.train, task.recipe, checkpoint=path)
    state = begin(task, small_net())
    trees = {"net": state.net, "optimiser": state.optimiser}
    checkpoint.save(path, trees, checkpoint.record(path) | {part: value})
    with pytest.raises(ModelFileError, match=r"c\.safetensors: not a checkpoint of fit"):
        fit(small_net(), task.train, task.recipe, checkpoint=path)


BAD = {
    "no examples": (
        lambda: task_of(count=0),
        TrainingError,
        "fit: got no examples; expected at least one",
    ),
    "a negative seed": (
        lambda: replace(task_of(), seed=-1),
        TrainingError,
        "fit: got seed -1; expected 0 or more",
    ),
    "no shard": (lambda: task_of(shards=0), TrainingError, "got shards 0; expected 1 or more"),
    "no batch": (lambda: task_of(batch=0), TrainingError, "Recipe: got batch 0; expected 1"),
    "half an example": (
        lambda: task_of(batch=16.5),
        TrainingError,
        "Recipe: got batch 16.5; expected 1 or more, a whole number",
    ),
    "no epoch": (lambda: task_of(epochs=0), TrainingError, "Recipe: got epochs 0; expected 1"),
    "a norm of 0": (
        lambda: replace(recipes.resnet(), clip=0),
        TrainingError,
        "Recipe: got clip 0; expected a norm above 0, or None",
    ),
    "an average of 1": (
        lambda: replace(recipes.resnet(), average=1.0),
        TrainingError,
        "Recipe: got average 1.0; expected",
    ),
    "targets missing": (
        lambda: Arrays(np.zeros((3, 2)), np.zeros(2)),
        ShapeError,
        "Arrays: got 3 inputs and 2 targets; expected one target for each input",
    ),
    "targets in a list": (
        lambda: Arrays(np.zeros((2, 2)), [0, 1]),
        ShapeError,
        "Arrays: got targets as a list; expected an array, a row for each example",
    ),
    "classes in a column": (
        lambda: error_rate(np.zeros((3, 8, 8, 1)), np.zeros((3, 1), int))(small_net()),
        ShapeError,
        r"error_rate: got classes of shape \(3, 1\); expected \(3,\)",
    ),
    "a class too few": (
        lambda: error_rate(np.zeros((3, 8, 8, 1)), np.zeros(2, int))(small_net()),
        ShapeError,
        r"error_rate: got classes of shape \(2,\)",
    ),
    "no batch to predict with": (
        lambda: predict(small_net(), np.zeros((3, 8, 8, 1)), batch=0),
        ShapeError,
        "predict: got batch 0; expected 1 or more",
    ),
    "nothing to predict": (
        lambda: predict(small_net(), np.zeros((0, 8, 8, 1))),
        ShapeError,
        r"predict: got inputs of shape \(0, 8, 8, 1\); expected at least one",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_no_training_can_use_is_refused_by_name(name):
    call, error, message = BAD[name]
    with pytest.raises(error, match=message):
        call()
