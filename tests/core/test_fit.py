"""The training loop: it learns, resumes to the bit, shares a batch among threads, and refuses."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from cnn_core import checkpoint, recipes
from cnn_core.batches import Arrays
from cnn_core.errors import ModelFileError, ShapeError, TrainingError
from cnn_core.fit import Fitted, Task, advance, batch_gradient, begin, fit
from cnn_core.layers import (
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    MaxPool,
    Relu,
    Sequential,
    Tanh,
)
from cnn_core.losses import Head, MultiTask, cross_entropy, ctc_loss, squared_error
from cnn_core.measure import error_rate, mean_loss, predict
from cnn_core.optim import Adam, AdamW, Sgd, average
from cnn_core.recipes import Recipe
from cnn_core.schedules import Constant, Cosine, ReduceOnPlateau
from cnn_core.tree import leaves, tree_map

STEPS = 9
"""Of the small training below: three epochs of three."""


def bars(rng, count):
    """Pictures (N, 8, 8, 1) of a bar anywhere, along the one axis or the other, and which."""
    x, t = np.zeros((count, 8, 8, 1), np.float32), rng.integers(0, 2, count)
    for picture, upright in zip(x, t, strict=True):
        i, j = rng.integers(0, 8), rng.integers(0, 5)
        (picture if upright else picture.swapaxes(0, 1))[j : j + 4, i] = 1
    return x + 0.1 * rng.standard_normal(x.shape).astype(np.float32), t


def small_net(seed=0):
    rng = np.random.default_rng(seed)
    return Sequential((
        Conv2d.create(rng, 1, 4, 3, padding="same"), BatchNorm.create(4), Relu(),
        MaxPool.create(8, axes=2), Flatten(), Dropout(0.2), Dense.create(rng, 4, 2),
    ))  # fmt: skip


def noisy(inputs, rng):
    return inputs + 0.1 * rng.standard_normal(inputs.shape).astype(inputs.dtype)


def everything():
    """Arguments of a training in which everything that carries over from step to step is used."""
    x, t = bars(np.random.default_rng(1), 26)
    recipe = Recipe(8, 3, AdamW(weight_decay=0.1), ReduceOnPlateau(0.02, patience=0), 1.0, 0.9)
    # The error of the last epoch cannot fall below 0.6 and so makes a plateau.
    return Arrays(x, t, noisy), recipe, {"validation": lambda net: max(0.6, error_rate(x, t)(net))}


def bits(fitted):
    return [array.tobytes() for _, array in leaves(fitted.net)], fitted.history


class Killed(BaseException):
    """Nothing that a training could expect."""


def stop_after(step):
    def stop(progress):
        if progress.step == step:
            raise Killed

    return stop


def test_it_learns_where_nothing_but_shape_tells():
    rng = np.random.default_rng(0)
    train, unseen = Arrays(*bars(rng, 640), noisy), bars(rng, 200)
    recipe = Recipe(32, 4, Adam(), Cosine(0.02, warmup=0.1))
    fitted = fit(small_net(), train, recipe, validation=error_rate(*unseen))
    figures = [epoch.figure for epoch in fitted.history]
    assert figures[-1] < 0.05 < 0.3 < error_rate(*unseen)(small_net())
    assert figures[-1] == error_rate(*unseen)(fitted.net)


cuts_of = st.lists(st.integers(1, STEPS), min_size=1, max_size=3, unique=True).map(sorted)


@effort(deadline=None, max_examples=12)
@given(cuts=cuts_of, each=st.booleans(), shards=st.integers(1, 2))
def test_stopped_anywhere_and_resumed_is_undisturbed(tmp_path_factory, cuts, each, shards):
    """Law 9, through every epoch's end: weights, average, slots, schedule, history."""
    path = tmp_path_factory.mktemp("fit") / "c.safetensors"
    train, recipe, settings = everything()
    settings["shards"] = shards
    whole = fit(small_net(), train, recipe, **settings)
    settings |= {"checkpoint": path, "checkpoint_every_s": 0.0 if each else 1e9}
    for cut in cuts:
        with pytest.raises(Killed):
            fit(small_net(), train, recipe, progress=stop_after(cut), **settings)
    seen = []
    resumed = fit(small_net(seed=5), train, recipe, progress=seen.append, **settings)
    assert bits(resumed) == bits(whole)
    assert [progress.step for progress in seen] == list(range(cuts[-1] + 1, STEPS + 1))


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_fit import everything, fit, small_net
train, recipe, settings = everything()
settings |= {"checkpoint": Path(sys.argv[2]), "checkpoint_every_s": 0.0}
fit(small_net(), train, recipe, progress=lambda p: print(p.step, flush=True), **settings)
"""


def test_killed_without_a_word_it_goes_on_from_the_last_checkpoint(tmp_path):
    path = tmp_path / "c.safetensors"
    here = str(Path(__file__).parent)
    command = [sys.executable, "-c", SCRIPT, here, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        while child.stdout.readline().strip() != "4":
            assert child.poll() is None
        child.send_signal(signal.SIGKILL)
    assert 4 <= checkpoint.record(path)["step"] <= STEPS
    train, recipe, settings = everything()
    resumed = fit(small_net(), train, recipe, checkpoint=path, **settings)
    assert bits(resumed) == bits(fit(small_net(), train, recipe, **settings))


def test_a_finished_training_is_read_not_repeated(tmp_path):
    path = tmp_path / "c.safetensors"
    train, recipe, settings = everything()
    first = fit(small_net(), train, recipe, checkpoint=path, **settings)
    written = path.stat().st_mtime_ns
    again = fit(small_net(), train, recipe, checkpoint=path, progress=stop_after(1), **settings)
    assert bits(again) == bits(first)
    assert path.stat().st_mtime_ns == written


def test_the_seed_decides_everything():
    train, recipe, settings = everything()
    first, second, other = (
        fit(small_net(), train, recipe, seed=seed, **settings) for seed in (3, 3, 4)
    )
    assert bits(first) == bits(second)
    assert bits(first) != bits(other)


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


@pytest.mark.parametrize("schedule", [Constant(0.02), ReduceOnPlateau(0.02, patience=0)])
def test_more_epochs_go_on_as_if_they_had_been_planned(tmp_path, schedule):
    path = str(tmp_path / "c.safetensors")
    train, recipe, settings = everything()
    recipe = replace(recipe, schedule=schedule)
    fit(small_net(), train, replace(recipe, epochs=1), checkpoint=path, **settings)
    longer = fit(small_net(), train, recipe, checkpoint=path, **settings)
    assert bits(longer) == bits(fit(small_net(), train, recipe, **settings))


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


def task_of(count=26, batch=8, shards=1, epochs=3):
    x, t = bars(np.random.default_rng(1), count)
    recipe = Recipe(batch, epochs, Sgd(), Constant(0.1))
    return Task(Arrays(x, t), recipe, shards=shards)


@given(count=st.integers(1, 40), batch=st.integers(1, 12), shards=st.integers(1, 4))
def test_an_epoch_shows_whole_batches_and_nothing_twice(count, batch, shards):
    task = task_of(count, batch, shards)
    steps = [task.rows(step) for step in range(task.epoch_steps)]
    shown = np.concatenate([part for parts in steps for part in parts])
    assert len(set(shown.tolist())) == len(shown) > count - batch
    assert {sum(map(len, parts)) for parts in steps} == {min(batch, count)}


def test_each_epoch_has_an_order_of_its_own():
    task = task_of(count=64, batch=64)
    first, second = task.rows(0)[0].tolist(), task.rows(1)[0].tolist()
    assert sorted(first) == sorted(second) == list(range(64))
    assert first != second != list(range(64))


@pytest.mark.parametrize("shards", [2, 3])
def test_shards_add_up_to_the_gradient_of_the_whole_batch(shards):
    rng = np.random.default_rng(0)
    net = Sequential((Conv2d.create(rng, 1, 3, 3), Relu(), Flatten(), Dense.create(rng, 108, 2)))
    net = tree_map(lambda w: w.astype(np.float64), net)
    whole, parts = (batch_gradient(task_of(shards=n), net, 0) for n in (1, shards))
    assert parts[0] == pytest.approx(whole[0], rel=1e-12)
    for (path, a), (_, b) in zip(leaves(whole[1]), leaves(parts[1]), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12, err_msg=path)


def test_threads_decide_nothing():
    """The same shards one after another and at once: the same bits."""
    train, recipe, settings = everything()
    at_once = fit(small_net(), train, recipe, shards=2, **settings)
    task = Task(train, recipe, validation=settings["validation"], shards=2)
    state = begin(task, small_net())
    for _ in range(task.steps):
        state, _, _ = advance(task, state)
    assert bits(at_once)[0] == [array.tobytes() for _, array in leaves(state.average)]


def test_it_is_the_loop_one_would_write():
    """One batch an epoch: forward, loss, backward, update, average."""
    x, t = bars(np.random.default_rng(1), 8)
    net = Sequential((*small_net().layers[3:5], Dense.create(np.random.default_rng(0), 1, 2)))
    recipe = Recipe(8, 12, Sgd(0.9), Constant(0.1), average=0.5)
    fitted = fit(net, Arrays(x, t), recipe)
    state, running = Sgd(0.9).init(net), net
    for step in range(12):
        y, pull = net.vjp(x, np.random.default_rng())
        net, state = Sgd(0.9).step(net, state, pull(cross_entropy(y, t)[1])[1], 0.1)
        running = average(running, net, min(0.5, (1 + step) / (10 + step)))
    for (path, a), (_, b) in zip(leaves(fitted.net), leaves(running), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6, err_msg=path)


def test_progress_tells_where_the_training_is():
    train, recipe, settings = everything()
    seen = []
    fitted = fit(small_net(), train, recipe, progress=seen.append, **settings)
    assert [(p.step, p.epoch) for p in seen] == [(s, (s - 1) // 3 + 1) for s in range(1, 10)]
    assert {(p.steps, p.epochs) for p in seen} == {(9, 3)}
    assert [p.figure for p in seen[:3]] == [None, None, fitted.history[0].figure]
    assert [p.loss for p in seen[:3]] == pytest.approx([fitted.history[0].loss] * 3, rel=1)
    assert all(p.seconds_left > 0 for p in seen[:-1])
    assert seen[-1].seconds_left == 0


def test_the_schedule_follows_validation_or_else_the_loss():
    x, t = bars(np.random.default_rng(1), 8)
    plateau = ReduceOnPlateau(0.1, 0.5, patience=0)
    figures = iter([3.0, 2.0, 2.0, 1.0])
    recipe = Recipe(8, 4, Sgd(0.0), plateau)
    told = fit(small_net(), Arrays(x, t), recipe, validation=lambda net: next(figures))
    assert [epoch.rate for epoch in told.history] == [0.1, 0.1, 0.1, 0.05]
    losses = iter([3.0, 2.0, 2.0, 1.0])
    untold = fit(
        small_net(),
        Arrays(x, t),
        recipe,
        loss=lambda y, t: (next(losses), cross_entropy(y, t)[1]),
    )
    assert [epoch.rate for epoch in untold.history] == [0.1, 0.1, 0.1, 0.05]
    assert [epoch.figure for epoch in untold.history] == [None] * 4


def test_a_loss_that_is_no_number_ends_the_training_and_keeps_the_last_whole_step(tmp_path):
    path = tmp_path / "c.safetensors"
    losses = iter([1.0, 1.0, np.nan])
    with pytest.raises(TrainingError, match="got a loss of nan at step 2; expected finite"):
        fit(
            small_net(),
            task_of().train,
            task_of().recipe,
            loss=lambda y, t: (next(losses), cross_entropy(y, t)[1]),
            checkpoint=path,
        )
    assert checkpoint.record(path)["step"] == 2


@pytest.mark.filterwarnings("ignore:invalid value")
def test_weights_that_are_no_numbers_are_not_kept(tmp_path):
    """After one infinite gradient the checkpoint held NaN, and no call could use it."""
    path, count = tmp_path / "c.safetensors", iter(range(9))
    with pytest.raises(TrainingError, match="got weights that are not finite after step 3; exp"):
        fit(
            Sequential((Flatten(), Dense.create(np.random.default_rng(0), 64, 2))),
            task_of().train,
            task_of().recipe,
            loss=lambda y, t: (1.0, np.full_like(y, np.inf if next(count) == 2 else 0.1)),
            checkpoint=path,
        )
    kept = checkpoint.load(path, {"net": Sequential((Flatten(), Dense(
        np.zeros((64, 2), np.float32), np.zeros(2, np.float32))))})  # fmt: skip
    assert kept[1]["step"] == 2
    assert all(np.isfinite(w).all() for _, w in leaves(kept[0]["net"]))


def test_several_tasks_train_at_once():
    """Classes and a number from one network: a structured array of targets, drawn by row."""
    x, t = bars(np.random.default_rng(1), 64)
    targets = np.zeros(64, [("class", int), ("ink", np.float32, 1)])
    targets["class"], targets["ink"] = t, x.mean(axis=(1, 2))
    loss = MultiTask({"class": Head(0, 2, cross_entropy), "ink": Head(2, 3, squared_error, 10.0)})
    net = Sequential((*small_net().layers[:-1], Dense.create(np.random.default_rng(0), 4, 3)))
    recipe = Recipe(16, 8, Adam(), Constant(0.01))
    history = fit(net, Arrays(x, targets), recipe, loss=loss).history
    assert history[-1].loss < 0.5 * history[0].loss


@dataclass
class Spoken:
    """Sequences of labels without their places, as `ctc_loss` takes them."""

    inputs: np.ndarray
    labels: list

    def __len__(self):
        return len(self.inputs)

    def batch(self, rows, rng):
        lengths = np.full(len(rows), self.inputs.shape[1])
        return self.inputs[rows], (lengths, [self.labels[row] for row in rows])


def test_sequences_train_without_alignment(tmp_path):
    rng = np.random.default_rng(0)
    labels = [rng.integers(1, 3, 2) for _ in range(16)]
    x = np.repeat(np.eye(3, dtype=np.float32)[np.array(labels)], 3, axis=1)
    net, recipe = Dense.create(rng, 3, 3), Recipe(8, 10, Adam(), Constant(0.1))
    fitted = fit(net, Spoken(x, labels), recipe, loss=ctc_loss, checkpoint=tmp_path / "c")
    assert fitted.history[-1].loss < 0.5 * fitted.history[0].loss


def test_a_figure_that_is_no_number_ends_the_training():
    with pytest.raises(TrainingError, match="got a validation figure of inf after step 3; exp"):
        fit(small_net(), task_of().train, task_of().recipe, validation=lambda net: np.inf)


def test_the_checkpoints_folder_is_made(tmp_path):
    path = tmp_path / "new" / "c.safetensors"
    fit(small_net(), task_of(epochs=1).train, task_of(epochs=1).recipe, checkpoint=path)
    assert checkpoint.record(path)["step"] == 3


def test_figures_are_those_of_the_definition_whatever_the_batch():
    rng = np.random.default_rng(0)
    net, (x, t) = small_net(), bars(rng, 23)
    y = predict(net, x)
    np.testing.assert_allclose(y, predict(net, x, batch=5), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(y, net.forward(x), rtol=1e-5, atol=1e-6)
    assert error_rate(x, t)(net) == (y.argmax(axis=1) != t).mean()
    assert mean_loss(x, t, cross_entropy)(net) == cross_entropy(y, t)[0]
    assert mean_loss(x, y, squared_error)(net) == 0


def test_the_lectures_recipes_have_the_lectures_figures():
    alexnet, resnet = recipes.alexnet(), recipes.resnet()
    assert (alexnet.batch, alexnet.optimiser) == (128, Sgd(0.9, weight_decay=5e-4, decay_on="all"))
    assert (resnet.batch, resnet.optimiser) == (256, Sgd(0.9, weight_decay=1e-5, decay_on="all"))
    for recipe, rate in ((alexnet, 0.01), (resnet, 0.1)):
        schedule = recipe.schedule
        state = schedule.init()
        assert schedule.rate(state, 0, 1) == rate
        for _ in range(2 + schedule.patience):
            state = schedule.step(state, 1.0)
        assert schedule.rate(state, 0, 1) == pytest.approx(rate / 10)


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
