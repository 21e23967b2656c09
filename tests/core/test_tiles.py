"""Law 5: a signal or picture scanned in tiles has the scores of the whole, border and all."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_core.errors import GeometryError, ShapeError
from cnn_core.layers import (
    Conv1d,
    Conv2d,
    Conv3d,
    Identity,
    MaxPool,
    Relu,
    Sequential,
    Sum,
    SumPool,
    Upsample,
)
from cnn_core.scan import scan
from cnn_core.tiles import tiling
from cnn_core.tree import tree_map


def double(layer):
    return tree_map(lambda a: a.astype(np.float64), layer)


def _pyramid(rng, axes, padding):
    """Down by 2 (and by 2 again in a side branch, then up): period 4, stride 2, as in detectors."""
    conv = (Conv1d, Conv2d)[axes - 1]

    def layer(a, b, kernel, **settings):
        return conv.create(rng, a, b, kernel, padding=padding, **settings)

    inner = layer(3, 3, 3), Relu(), layer(3, 3, 3)
    coarse = layer(3, 3, 3, stride=2), Relu(), Upsample.create(2, axes=axes)
    return double(
        Sequential(
            (
                layer(2, 3, 3, stride=2),
                Sum((Identity(), Sequential(inner))),
                Relu(),
                Sum((layer(3, 3, 1), Sequential(coarse))),
                layer(3, 1, 3),
            )
        )
    )


NETS = {
    (axes, padding): _pyramid(np.random.default_rng(axes), axes, padding)
    for axes in (1, 2)
    for padding in ("same", "valid")
}


@settings(deadline=None, max_examples=80)
@given(
    key=st.sampled_from(sorted(NETS)),
    lengths=st.tuples(st.integers(1, 70), st.integers(1, 40)),
    tile=st.tuples(st.integers(1, 50), st.integers(4, 50)),
)
def test_tiles_are_the_whole(key, lengths, tile):
    """Padded or valid, with branches and upsampling, any size against any tile."""
    axes, _ = key
    net = NETS[key]
    x = np.random.default_rng(sum(lengths)).standard_normal((1, *lengths[:axes], 2))
    whole, tiled = scan(net, x, tile=lengths[:axes]), scan(net, x, tile=tile[:axes])
    assert tiled.scores.shape == net.output_shape(x.shape)
    np.testing.assert_allclose(tiled.scores, whole.scores, atol=1e-12)
    assert (tiled.windows, tiled.uncovered) == (whole.windows, whole.uncovered)


def test_tiles_begin_at_multiples_of_the_period_and_cover_their_halo():
    net = NETS[2, "same"]
    assert (net.windows[0].step, net.periods) == (2, (4, 4))
    cuts = tiling(net, (100, 60), 30)
    assert len(cuts) == 4 * 2 == len(list(cuts))
    for cut in cuts:
        assert all(s.start % 4 == 0 for s in cut.inputs)
        for window, outputs, inputs, length in zip(
            net.windows, cut.outputs, cut.inputs, (100, 60), strict=True
        ):
            assert inputs.start <= max(0, window.span(outputs.start)[0])
            assert inputs.stop >= min(length, window.span(outputs.stop - 1)[1])


def test_progress_counts_tiles_and_videos_have_tiles_too():
    rng = np.random.default_rng(0)
    net = double(Sequential((Conv3d.create(rng, 1, 2, 3), MaxPool.create(2, axes=3))))
    x = rng.standard_normal((1, 8, 9, 10, 1))
    told = []
    tiled = scan(net, x, tile=4, progress=lambda done, total: told.append((done, total)))
    np.testing.assert_allclose(tiled.scores, net.forward(x), atol=1e-12)
    assert told == [(n + 1, len(told)) for n in range(8)]


def test_a_large_picture_needs_the_memory_of_a_tile(tmp_path):
    """3000 x 2000 pixels on disk, bytes turned into numbers tile by tile: 6 MB, not 72 MB."""
    rng = np.random.default_rng(1)
    net = Sequential((Conv2d.create(rng, 3, 8, 5, stride=4), Relu(), Conv2d.create(rng, 8, 1, 3)))
    shape = (1, 2000, 3000, 3)
    picture = np.memmap(tmp_path / "picture", np.uint8, "w+", shape=shape)
    picture[:] = rng.integers(0, 255, (1, 2000, 1, 3), np.uint8)

    def numbers(pixels):
        return pixels.astype(np.float32) / 255

    tracemalloc.start()
    tiled = scan(net, picture, tile=256, prepare=numbers)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < tiled.scores.nbytes + 6e6
    part = scan(net, picture[:, 992:1200, 1992:2400], prepare=numbers).scores
    np.testing.assert_allclose(tiled.scores[:, 248:297, 498:597], part[:, :49, :99], atol=1e-5)


def test_an_hour_goes_through_in_blocks():
    """40 bands at 100 frames a second; the blocks' seams are not to be seen."""
    rng = np.random.default_rng(2)
    net = Sequential((Conv1d.create(rng, 40, 8, 9, stride=3), Relu(), Conv1d.create(rng, 8, 1, 30)))
    x = rng.standard_normal((1, 360_000, 40)).astype(np.float32)
    scores = scan(net, x)
    assert scores.scores.shape[1] == net.windows[0].count(360_000)
    for seam in range(8192 // 3, 100_000, 8192 // 3):
        first = int(net.windows[0].span(seam - 2)[0])
        alone = net.forward(x[:, first : first + 300])
        np.testing.assert_allclose(scores.scores[:, seam - 2 : seam + 3], alone[:, :5], atol=1e-5)


def test_tiles_that_cannot_be_are_refused():
    net = NETS[2, "valid"]
    x = np.zeros((1, 40, 40, 2))
    for tile in ((8,), (8, 8, 8), (8, 0), -3, 0, 2.5):
        with pytest.raises(GeometryError, match="scan: tile: got"):
            scan(net, x, tile=tile)
    with pytest.raises(ShapeError, match="scan: got shape"):
        scan(net, np.zeros((4, 4)))


def test_windows_that_lie_in_the_padding_have_a_tile_with_inputs():
    """Strides beyond the kernel and wide padding: a block of scores may see zeros only."""
    rng = np.random.default_rng(0)
    pool = SumPool.create((3, 2), stride=(3, 1), padding=((2, 2), (0, 0)), axes=2)
    conv = Conv2d.create(
        rng, 2, 3, (1, 3), stride=(2, 3), dilation=(1, 2), padding=((0, 2), (1, 0))
    )
    x = rng.standard_normal((1, 17, 13, 2))
    for net in (double(Sequential((pool, conv))), double(conv)):
        for tile in ((1, 1), (2, 5), (7, 3)):
            np.testing.assert_allclose(scan(net, x, tile=tile).scores, net.forward(x), atol=1e-12)
