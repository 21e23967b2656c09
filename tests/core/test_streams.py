"""Law 4: a network fed in crumbs, alone or with others, gives the scores of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.errors import CoreError, NotFiniteError, ShapeError, StreamError
from cnn_core.geometry import Window
from cnn_core.layers import (
    BatchNorm,
    Concat,
    Conv1d,
    Conv2d,
    Identity,
    Layer,
    MaxPool,
    MeanPool,
    Relu,
    Sequential,
    Sum,
    Upsample,
)
from cnn_core.stream import StreamBatch, open_stream, restore_stream
from cnn_core.tree import tree_map


def double(layer):
    return tree_map(lambda a: a.astype(np.float64), layer)


def _streams(layer, shape):
    """Whether a layer can run in steps: signals of channels, valid or causal windows."""
    try:
        if len(shape) != 3 or len(layer.windows) > 1:
            return False
        layer.tails(0, shape[-1], np.dtype(float))
    except CoreError:
        return False
    return True


CASES = [
    pytest.param(layer, shape, id=f"{cls.__name__}-{index}")
    for cls in sorted(Layer.registry.values(), key=lambda cls: cls.__name__)
    for index, (layer, shape) in enumerate(cls.examples(np.random.default_rng(7)))
    if _streams(layer, shape)
]


def _random_net(rng, channels, depth=3):
    """Convolutions (valid or causal, strided, dilated, depth-wise), pools and branches."""
    layers = []
    for _ in range(depth):
        kind = rng.integers(0, 7)
        if kind == 0:
            layers += [MaxPool.create(int(rng.integers(1, 4)), stride=int(rng.integers(1, 4)))]
        elif kind == 1:
            layers += [MeanPool.create(int(rng.integers(1, 4)), stride=int(rng.integers(1, 3)))]
        elif kind == 2:
            layers += [Conv1d.create(rng, channels, channels, 3, groups=channels), Relu()]
        elif kind == 3:
            kernel, padding = 2 * int(rng.integers(1, 4)), ("valid", "causal")[rng.integers(0, 2)]
            wide = Conv1d.create(rng, channels, channels, kernel, dilation=2, padding=padding)
            layers += [Sum((Identity(), Sequential((wide, Relu()))))]
        elif kind == 4:
            inner = _random_net(rng, channels, 1)
            stride = int(inner.windows[0].step) if inner.windows else 1
            side = Conv1d.create(rng, channels, 2, 2, stride=stride)
            layers += [Concat((inner, side)), Conv1d.create(rng, channels + 2, channels, 1)]
        elif kind == 5:
            norm = next(BatchNorm.examples(rng))[0]
            norm = tree_map(lambda a: np.resize(a, channels), norm)
            layers += [norm, Relu()]
        else:
            conv = Conv1d.create(
                rng,
                channels,
                channels,
                int(rng.integers(1, 5)),
                stride=int(rng.integers(1, 4)),
                dilation=int(rng.integers(1, 4)),
                padding=("valid", "causal")[rng.integers(0, 2)],
            )
            layers += [conv, Relu()]
    return double(Sequential(tuple(layers)))


@settings(deadline=None, max_examples=150)
@given(case=st.sampled_from(CASES), data=st.data())
def test_every_layer_streams(case, data):
    """Any chunking, empty and one-sample chunks included; a gap begins afresh."""
    layer, (_, _, channels) = case.values
    layer = double(layer)
    length = data.draw(st.integers(0, 60))
    x = np.random.default_rng(length).standard_normal((length, channels))
    cuts = sorted(data.draw(st.lists(st.integers(0, length), max_size=8)))
    whole = layer.forward(x[None])[0] if length else np.zeros((0, 1))
    stream = open_stream(layer)
    for _ in range(2):
        y = np.concatenate([stream.step(chunk).scores for chunk in np.split(x, cuts)])
        assert len(y) == len(whole)
        if len(whole):
            np.testing.assert_allclose(y, whole, atol=1e-12)
        stream.gap()


@settings(deadline=None, max_examples=100)
@given(seed=st.integers(0, 10_000))
def test_streams_share_steps_wherever_they_stand(seed):
    """Several streams of one random network, each with its own chunks: each one's whole scores."""
    rng = np.random.default_rng(seed)
    net = _random_net(rng, 2)
    signals = [rng.standard_normal((int(rng.integers(0, 70)), 2)) for _ in range(3)]
    batch = StreamBatch(net)
    streams = [batch.open() for _ in signals]
    cuts = [np.sort(rng.integers(0, len(x) + 1, 6)) for x in signals]
    queues = {s: np.split(x, at) for s, x, at in zip(streams, signals, cuts, strict=True)}
    heard = {s: [] for s in streams}
    while any(queues.values()):
        chosen = [s for s in streams if queues[s] and rng.random() < 0.6]
        for s, new in batch.step({s: queues[s].pop(0) for s in chosen}).items():
            heard[s].append(new.scores)
    for s, x in zip(streams, signals, strict=True):
        whole = net.forward(x[None])[0] if len(x) else np.zeros((0, 2))
        got = np.concatenate([np.zeros((0, 2)), *heard[s]])
        assert got.shape == whole.shape
        np.testing.assert_allclose(got, whole, atol=1e-10)
        assert (s.read, s.written) == (len(x), len(whole))


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), at=st.integers(0, 60))
def test_a_stream_moves_as_bytes(seed, at):
    """Saved anywhere and restored with the same network, it goes on with the same scores."""
    rng = np.random.default_rng(seed)
    net = _random_net(rng, 2)
    x = rng.standard_normal((60, 2))
    stream = open_stream(net)
    stream.step(x[:at])
    moved = restore_stream(net, stream.save())
    assert (moved.read, moved.written) == (stream.read, stream.written)
    ours, theirs = stream.step(x[at:]), moved.step(x[at:])
    np.testing.assert_array_equal(ours.scores, theirs.scores)
    assert ours.window == theirs.window


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), at=st.integers(0, 60))
def test_a_forked_stream_goes_on_by_itself(seed, at):
    """Both give the scores of their own signal, whichever of them is stepped first."""
    rng = np.random.default_rng(seed)
    net = _random_net(rng, 2)
    x, other = rng.standard_normal((2, 60, 2))
    stream = open_stream(net)
    before = stream.step(x[:at]).scores
    fork = stream.fork()
    for each, rest in ((fork, other[at:]), (stream, x[at:])):
        scores = np.concatenate((before, each.step(rest).scores))
        whole = open_stream(net).step(np.concatenate((x[:at], rest))).scores
        np.testing.assert_allclose(scores, whole, atol=1e-9)
        assert (each.read, each.written) == (60, len(whole))


def test_shifts_by_a_period_shift_every_layer():
    """A net that goes down by 4 and up by 2 has stride 2, but only shifts of 4 keep its places."""
    rng = np.random.default_rng(0)
    down = Conv1d.create(rng, 1, 1, 4, stride=4), Upsample.create(2, axes=1)
    assert Sequential(down).windows[0].step == 2
    assert Sequential(down).periods == (4,)
    assert Sequential((Conv1d.create(rng, 1, 1, 2, stride=3), MaxPool.create(2))).periods == (6,)
    assert Relu().periods == ()


def _causal():
    rng = np.random.default_rng(3)
    layers = [Conv1d.create(rng, 1, 2, 3, padding="causal"), Relu()]
    return Sequential((*layers, Conv1d.create(rng, 2, 1, 2, stride=2, padding="causal")))


def test_first_windows_of_a_causal_net_are_warming():
    """Until the receptive field, 4 inputs, is real signal; after a gap again."""
    stream = open_stream(_causal())
    heard = stream.step(np.ones((9, 1), np.float32))
    assert heard.window == Window(4, 2, -3)
    assert heard.warming.tolist() == [True, True, False, False, False]
    stream.gap(11)
    heard = stream.step(np.ones((5, 1), np.float32))
    assert stream.read == 25
    assert heard.window.span(0) == (17, 21)
    assert heard.warming.tolist() == [True, True, False]


def test_a_causal_residual_block_keeps_its_length_and_never_looks_ahead():
    """As in WaveNet: y[i] = x[i] + causal(x)[i], in a stream from the first input on."""
    rng = np.random.default_rng(8)
    convolutions = [Conv1d.create(rng, 2, 2, 3, dilation=d, padding="causal") for d in (1, 2)]
    block = double(Sum((Identity(), Sequential((convolutions[0], Relu(), convolutions[1])))))
    x = rng.standard_normal((1, 12, 2))
    y = block.forward(x)
    assert y.shape == x.shape
    np.testing.assert_allclose(y, x + block.branches[1].forward(x))
    later = x.copy()
    later[:, 7:] = 0
    np.testing.assert_array_equal(block.forward(later)[:, :7], y[:, :7])
    stream = open_stream(block)
    heard = [stream.step(row[None]).scores for row in x[0]]
    np.testing.assert_allclose(np.concatenate(heard), y[0], atol=1e-12)


def test_after_a_gap_a_stream_is_a_fresh_one_on_the_old_clock():
    rng = np.random.default_rng(1)
    net = Sequential((Conv1d.create(rng, 2, 1, 5, stride=3),))
    x = rng.standard_normal((20, 2)).astype(np.float32)
    stream, fresh = open_stream(net), open_stream(net)
    stream.step(x[:13])
    stream.gap(7)
    old, new = stream.step(x), fresh.step(x)
    np.testing.assert_array_equal(old.scores, new.scores)
    assert old.window.span(0) == (20, 25)
    assert (stream.read, stream.written) == (40, 3 + 6)
    with pytest.raises(StreamError, match="got -1 inputs"):
        stream.gap(-1)


def test_an_end_says_what_no_window_covered():
    net = Sequential((Conv1d.create(np.random.default_rng(0), 1, 1, 5, stride=3),))
    stream = open_stream(net)
    assert stream.step(np.zeros((4, 1), np.float32)).scores.shape == (0, 1)
    end = stream.finish()
    assert (end.read, end.written, end.uncovered) == (4, 0, 4)
    stream = open_stream(net)
    stream.step(np.zeros((10, 1), np.float32))
    assert stream.finish().uncovered == 2


def test_a_finished_stream_takes_nothing_more():
    stream = open_stream(_causal())
    stream.finish()
    for action in (stream.finish, stream.gap, stream.save, lambda: stream.step(np.zeros((1, 1)))):
        with pytest.raises(StreamError, match="is finished; open a new one"):
            action()


def test_chunks_that_cannot_be_are_refused_by_name_and_leave_the_stream_alone():
    stream = open_stream(_causal())
    with pytest.raises(ShapeError, match="with 1 channels"):
        stream.step(np.zeros((3, 2), np.float32))
    stream.step(np.ones((3, 1), np.float32))
    for chunk, message in (
        (np.zeros((3, 2), np.float32), "got 2 channels; expected 1"),
        (np.zeros(3, np.float32), r"got shape \(3,\); expected \(time, channels\)"),
    ):
        with pytest.raises(ShapeError, match=message):
            stream.step(chunk)
    bad = np.array([[1.0], [2.0], [np.inf], [np.nan]])
    with pytest.raises(NotFiniteError, match=r"sample \(5, 0\) is inf, and 1 more"):
        stream.step(bad)
    assert stream.read == 3
    with pytest.raises(StreamError, match="belongs to another batch"):
        open_stream(_causal()).batch.step({stream: np.zeros((1, 1))})


def test_a_refused_chunk_stops_the_whole_step():
    batch = StreamBatch(_causal())
    good, bad = batch.open(), batch.open()
    with pytest.raises(NotFiniteError, match="stream 1"):
        batch.step({good: np.ones((4, 1)), bad: np.full((1, 1), np.nan)})
    assert (good.read, bad.read) == (0, 0)


def test_networks_that_cannot_run_in_steps_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(StreamError, match="sweeps 2 axes"):
        open_stream(Conv2d.create(rng, 1, 1, 3))
    same = open_stream(Conv1d.create(rng, 1, 1, 3, padding="same"))
    with pytest.raises(StreamError, match="a stream has no end yet"):
        same.step(np.zeros((1, 1)))


def test_a_state_fed_to_another_network_is_an_error():
    one = Conv1d.create(np.random.default_rng(0), 1, 1, 3)
    other = Conv1d.create(np.random.default_rng(1), 1, 1, 3)
    stream = open_stream(one)
    stream.step(np.ones((2, 1), np.float32))
    saved = stream.save()
    with pytest.raises(StreamError, match="Restore it with the network that it was saved with"):
        restore_stream(other, saved)
    for damaged in (b"", saved[:50], saved[:-1], b"\xff" * 200):
        with pytest.raises(StreamError, match="stream state"):
            restore_stream(one, damaged)
    for old, new in ((b'"read":"2"', b'"read":"-"'), (b'"begin":"0"', b'"begin":"9"')):
        with pytest.raises(StreamError, match=r"header is damaged|no stream comes to"):
            restore_stream(one, saved.replace(old, new))
    poisoned = saved.replace(np.float32(1).tobytes() * 2, np.float32("nan").tobytes() * 2)
    with pytest.raises(StreamError, match="NaN or infinite"):
        restore_stream(one, poisoned)


def test_states_are_small_and_dropped_streams_give_theirs_back():
    """Tails are all that is kept, float32; a thousand streams that come and go need one row."""
    net = Sequential((Conv1d.create(np.random.default_rng(0), 4, 8, 9), Relu()))
    batch = StreamBatch(net)
    for _ in range(1000):
        stream = batch.open()
        stream.step(np.ones((30, 4), np.float32))
    saved = batch.tails(stream)
    assert sum(a.nbytes for a in saved.tails.values()) == 8 * 4 * 4
    assert batch._slots.room == 1


def test_a_long_chunk_is_cut_into_bounded_steps(monkeypatch):
    monkeypatch.setattr("cnn_core.stream.MOST_PLACES", 7)
    net = _random_net(np.random.default_rng(4), 2)
    x = np.random.default_rng(5).standard_normal((90, 2))
    batch = StreamBatch(net)
    long, short = batch.open(), batch.open()
    heard = batch.step({long: x, short: x[:11]})
    np.testing.assert_allclose(heard[long].scores, net.forward(x[None])[0], atol=1e-10)
    np.testing.assert_allclose(heard[short].scores, net.forward(x[None, :11])[0], atol=1e-10)


def test_numbers_beyond_the_precision_of_the_stream_are_refused():
    """1e300 is finite where it comes from, and infinite where it would be kept."""
    stream = open_stream(_causal())
    stream.step(np.ones((3, 1), np.float32))
    with pytest.raises(NotFiniteError, match=r"sample \(4, 0\) is inf"):
        stream.step(np.array([[1.0], [1e300]]))
    assert np.isfinite(stream.step(np.ones((9, 1))).scores).all()


def test_a_gap_is_a_whole_number_of_inputs():
    stream = open_stream(_causal())
    stream.gap(np.int64(3))
    with pytest.raises(StreamError, match=r"got 1.5 inputs; expected a whole number >= 0"):
        stream.gap(1.5)
    assert stream.read == 3
