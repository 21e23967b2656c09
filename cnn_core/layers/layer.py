"""What every layer is: arrays and settings, a forward pass with its backward pass, a window.

A layer is a frozen dataclass. Its array fields are its parameters; the gradient of a layer is
an object of the same class, so that there are no parameter names and no `.grad`. From `vjp` and
`windows` the rest follows: inference, receptive field, output sizes, streaming.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import ShapeError, StreamError
from cnn_core.geometry import Windows

Pull = Callable[[Array], tuple[Array, Any]]
"""dy -> (dx, gradient of the layer, an object of the layer's class)."""

StreamState = Any
"""Plain arrays and counts, made by `Layer.init`, carried on by `Layer.step`."""


@dataclass(frozen=True, eq=False)
class Layer:
    """A function of a batch, channels last: (N, T, C), (N, H, W, C) or (N, D, H, W, C)."""

    registry: ClassVar[dict[str, type[Layer]]] = {}
    """Every layer class by name: what a model file may name, and what the laws run over."""

    def __init_subclass__(cls, *, abstract: bool = False) -> None:
        super().__init_subclass__()
        if not abstract:
            Layer.registry[cls.__name__] = cls

    @classmethod
    def examples(cls, rng: np.random.Generator) -> Iterator[tuple[Self, tuple[int, ...]]]:
        """Layers worth testing, each with the shape of an input; the laws run over all of them."""
        raise NotImplementedError(f"{cls.__name__}.examples: say which geometries to test")

    @property
    def windows(self) -> Windows:
        """What one output sees, an axis each; () for a pointwise layer."""
        return ()

    def lengths(self, lengths: tuple[int, ...]) -> tuple[int, ...]:
        """Output lengths of the swept axes, from geometry alone."""
        if not self.windows:
            return lengths
        return tuple(w.count(n) for w, n in zip(self.windows, lengths, strict=True))

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the output for an input of this shape, nothing computed."""
        return (shape[0], *self.lengths(shape[1:-1]), shape[-1])

    def multiply_adds(self, shape: tuple[int, ...]) -> int:
        """Multiplications by weights in one forward pass over an input of this shape."""
        return 0

    def forward(self, x: Array) -> Array:
        """Inference: the output for a batch."""
        return self.vjp(x)[0]

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        """The output and the function that pulls a gradient back through it.

        With a generator the layer behaves as in training (batch statistics, dropout);
        without one as in inference.
        """
        raise NotImplementedError

    def vjp_weights(
        self, x: Array, rng: np.random.Generator | None = None
    ) -> tuple[Array, Callable[[Array], Any]]:
        """As `vjp`, but dy -> the layer's gradient alone: for the input of a whole network,
        whose own gradient nobody needs."""
        y, pull = self.vjp(x, rng)
        return y, lambda dy: pull(dy)[1]

    def init(self) -> StreamState:
        """State of a fresh stream: (inputs still needed, inputs to skip before the next window)."""
        return (None, 0)

    def step(self, state: StreamState, x: Array) -> tuple[StreamState, Array]:
        """Outputs that the new inputs (N, t, C) complete, and the state to go on with.

        Joined over any chunking the outputs are those of `forward` on the whole signal.
        """
        if not self.windows:
            return state, self.forward(x)
        window = self._streamable()
        tail, skip = state
        seen = x if tail is None else np.concatenate((tail, x), axis=1)
        # Tails are copies: a view would keep the whole chunk alive as long as the stream.
        if skip >= seen.shape[1]:
            return (seen[:, :0].copy(), skip - seen.shape[1]), self._nothing(seen)
        seen = seen[:, skip:]
        ready = window.count(seen.shape[1])
        if ready == 0:
            return (seen.copy(), 0), self._nothing(seen)
        used = int(ready * window.step)
        return (seen[:, used:].copy(), max(0, used - seen.shape[1])), self.forward(seen)

    def _streamable(self) -> Any:
        if len(self.windows) != 1:
            raise StreamError(f"{self}: got {len(self.windows)} axes; only 1-D signals stream")
        window = self.windows[0]
        if window.start != 0 or window.step != int(window.step):
            raise StreamError(
                f"{self}: its window {window} pads or upsamples; streaming needs valid windows"
            )
        return window

    def _nothing(self, x: Array) -> Array:
        """An output of length 0 with the right batch, channels and type."""
        window = self.windows[0]
        probe = np.zeros((x.shape[0], int(window.size), x.shape[2]), x.dtype)
        return self.forward(probe)[:, :0]

    def _expect(self, condition: bool, x: Array, expected: str) -> None:
        if not condition:
            raise ShapeError(f"{self}: got an input of shape {x.shape}; expected {expected}")

    def __str__(self) -> str:
        return type(self).__name__
