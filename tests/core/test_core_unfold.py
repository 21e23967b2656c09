"""A folded network gets its batch norms back: the same outputs, ready to learn on."""

from __future__ import annotations

import numpy as np
import pytest

from cnn_core.errors import ShapeError
from cnn_core.fold import fold
from cnn_core.layers import BatchNorm, Conv2d, Identity, Relu, Sequential, Sum
from cnn_core.tree import leaves, tree_map
from cnn_core.unfold import unfold


def network(rng: np.random.Generator, channels: int = 4) -> Sequential:
    """Convolutions with batch norms, in a row and in branches, and a last one without."""

    def part(inputs: int) -> tuple[Conv2d, BatchNorm]:
        return (
            Conv2d.create(rng, inputs, channels, 3, padding=1, bias=False),
            BatchNorm.create(channels),
        )

    residual = Sum((Identity(), Sequential((*part(channels), Relu(), *part(channels)))))
    return Sequential((*part(3), Relu(), residual, Conv2d.create(rng, channels, 2, 1)))


@pytest.fixture
def trained() -> Sequential:
    """With statistics, scales and shifts of its own."""
    rng = np.random.default_rng(0)
    return tree_map(
        lambda x: np.asarray(np.abs(x + rng.uniform(0.2, 1, x.shape)), np.float32),
        network(rng),
    )


def test_unfolded_it_computes_the_same_and_is_ready_to_learn(trained: Sequential) -> None:
    rng = np.random.default_rng(1)
    batches = [rng.standard_normal((4, 9, 8, 3)).astype(np.float32) for _ in range(2)]
    whole = np.concatenate(batches)
    folded = fold(trained)

    net = unfold(folded, network(np.random.default_rng(2)), batches)

    expected = folded.forward(whole)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(net.forward(whole), expected, atol=2e-5 * scale)
    np.testing.assert_allclose(fold(net).forward(whole), expected, atol=2e-5 * scale)
    # Training takes a batch's own statistics: here those that were measured.
    learning, _ = net.vjp(whole, np.random.default_rng(0))
    np.testing.assert_allclose(learning, expected, atol=2e-4 * scale)
    assert [path for path, _ in leaves(net)] == [path for path, _ in leaves(trained)]


@pytest.mark.parametrize("channels", [3, 5])
def test_another_network_is_refused(trained: Sequential, channels: int) -> None:
    with pytest.raises(ShapeError, match="unfold: got weights of shape"):
        unfold(fold(trained), network(np.random.default_rng(2), channels), [])


def test_more_and_fewer_layers_are_refused(trained: Sequential) -> None:
    folded = fold(trained)
    assert isinstance(folded, Sequential)
    like = network(np.random.default_rng(2))

    with pytest.raises(ShapeError, match="more weights"):
        unfold(folded, Sequential(like.layers[:-1]), [])
    with pytest.raises(ShapeError, match="fewer weights"):
        unfold(Sequential(folded.layers[:-1]), like, [])
