"""The training loop: it learns, resumes to the bit, shares a batch among threads."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from cnn_core import checkpoint, recipes
from cnn_core.batches import Arrays
from cnn_core.errors import TrainingError
from cnn_core.fit import Task, advance, batch_gradient, begin, fit
from cnn_core.layers import (
    Conv2d,
    Dense,
    Flatten,
    Relu,
    Sequential,
)
from cnn_core.losses import Head, MultiTask, cross_entropy, ctc_loss, squared_error
from cnn_core.measure import error_rate, mean_loss, predict
from cnn_core.optim import Adam, Sgd, average
from cnn_core.recipes import Recipe
from cnn_core.schedules import Constant, Cosine, ReduceOnPlateau
from cnn_core.tree import leaves, tree_map
from tests.core.fitting import (
    STEPS,
    Killed,
    bars,
    bits,
    everything,
    noisy,
    small_net,
    stop_after,
    task_of,
)


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
from fitting import everything, small_net
from cnn_core.fit import fit
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


@pytest.mark.parametrize("schedule", [Constant(0.02), ReduceOnPlateau(0.02, patience=0)])
def test_more_epochs_go_on_as_if_they_had_been_planned(tmp_path, schedule):
    path = str(tmp_path / "c.safetensors")
    train, recipe, settings = everything()
    recipe = replace(recipe, schedule=schedule)
    fit(small_net(), train, replace(recipe, epochs=1), checkpoint=path, **settings)
    longer = fit(small_net(), train, recipe, checkpoint=path, **settings)
    assert bits(longer) == bits(fit(small_net(), train, recipe, **settings))


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
