"""What every layer is: arrays and settings, a forward pass with its backward pass, a window.

A layer is a frozen dataclass. Its array fields are its parameters; the gradient of a layer is
an object of the same class, so that there are no parameter names and no `.grad`. From `vjp` and
`windows` the rest follows: inference, receptive field, output sizes, streaming.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any, ClassVar, Self

import numpy as np

from cnn_core.arrays import Array
from cnn_core.errors import ShapeError, StreamError
from cnn_core.geometry import Window, Windows
from cnn_core.layers.chunks import Chunk, Count, completed, further, largest, valid_window
from cnn_core.layers.tail import Tail

Pull = Callable[[Array], tuple[Array, Any]]
"""dy -> (dx, gradient of the layer, an object of the layer's class)."""

Tails = Any
"""A tree of `Tail`, a tuple for each layer of layers, made by `Layer.tails`, written by `step`."""


def _of_floats(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method of a layer, which refuses by name a batch that is not of floating point."""

    @wraps(method)
    def checked(layer: Layer, x: Array, *given: Any, **named: Any) -> Any:
        if not isinstance(x, np.ndarray):
            raise ShapeError(f"{layer}: got {type(x).__name__}; expected a batch, a NumPy array")
        if x.dtype.kind != "f" or x.ndim == 0:
            raise ShapeError(
                f"{layer}: got an input of shape {x.shape} and type {x.dtype}; expected a batch of "
                "floating-point numbers. Turn whole ones into them, as x.astype(np.float32) does"
            )
        return method(layer, x, *given, **named)

    return checked


@dataclass(frozen=True, eq=False)
class Layer:
    """A function of a batch, channels last: (N, T, C), (N, H, W, C) or (N, D, H, W, C)."""

    registry: ClassVar[dict[str, type[Layer]]] = {}
    """Every layer class by name: what a model file may name, and what the laws run over."""

    computes: ClassVar[bool] = True
    """Whether inputs must be floating-point numbers; not where they are words, or only passed on:
    whole numbers would wrap around and round, each layer in its own way."""

    def __init_subclass__(cls, *, abstract: bool = False) -> None:
        super().__init_subclass__()
        for name in ("forward", "forward_over", "vjp", "vjp_weights") if cls.computes else ():
            if name in vars(cls):
                setattr(cls, name, _of_floats(vars(cls)[name]))
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
        if len(lengths) != len(self.windows):
            raise ShapeError(f"{self}: got lengths {lengths}; expected {len(self.windows)} axes")
        return tuple(w.count(n) for w, n in zip(self.windows, lengths, strict=True))

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the output for an input of this shape, nothing computed.

        Raises ShapeError or GeometryError for a shape that `forward` refuses.
        """
        return (shape[0], *self.lengths(shape[1:-1]), shape[-1])

    def multiply_adds(self, shape: tuple[int, ...]) -> int:
        """Multiplications by weights in one forward pass over an input of this shape."""
        return 0

    def forward(self, x: Array) -> Array:
        """Inference: the output for a batch of floating-point numbers; it may be a view of `x`.

        Raises ShapeError for an input that does not fit.
        """
        return self.vjp(x)[0]

    def forward_over(self, x: Array) -> Array:
        """As `forward`, and free to write over `x`, which nobody needs any more."""
        return self.forward(x)

    def vjp(self, x: Array, rng: np.random.Generator | None = None) -> tuple[Array, Pull]:
        """The output and the function that pulls a gradient back through it.

        With a generator the layer behaves as in training (batch statistics, dropout);
        without one as in inference. The function may read `x` and `y` again: they are to be left
        as they are until it is called.
        """
        raise NotImplementedError

    def vjp_weights(
        self, x: Array, rng: np.random.Generator | None = None
    ) -> tuple[Array, Callable[[Array], Any]]:
        """As `vjp`, but dy -> the layer's gradient alone: for the input of a whole network,
        whose own gradient nobody needs."""
        y, pull = self.vjp(x, rng)
        return y, lambda dy: pull(dy)[1]

    @property
    def periods(self) -> tuple[int, ...]:
        """Shifts of the input, an axis each, that shift every array inside by whole places."""
        return tuple(max(1, int(w.step)) for w in self.windows)

    def stepped(self) -> Layer:
        """The layer on inputs that hold its padding already; raises StreamError if it cannot be."""
        if any(window.start != 0 for window in self.windows):
            raise StreamError(f"{self}: it pads; of layers that pad only convolutions stream")
        return self

    def tails(self, short: int, channels: int, dtype: np.dtype[Any]) -> Tails:
        """State of streams to come; chunks of up to `short` places will be the quick ones."""
        if not self.windows:
            return ()
        window, _ = self._streaming
        return Tail(int(window.size) - 1, short, channels, dtype)

    def step(self, tails: Tails, chunk: Chunk) -> Chunk:
        """What the new inputs complete; the tails take them in.

        Joined over any chunking the outputs are those of `forward` on the whole signal.
        """
        if not self.windows:
            return Chunk(self._outputs(chunk.x), chunk.before, chunk.count, chunk.rows)
        window, layer = self._streaming
        done, new = further(window, chunk)
        first = done * int(window.step) + int(window.start) - chunk.before
        return Chunk(layer._swept(tails, chunk, first, largest(new)), done, new, chunk.rows)

    def _swept(self, tail: Tail, chunk: Chunk, first: Count, windows: int) -> Array:
        """The outputs of so many windows, the first of which begins `first` places behind the
        chunk's first one.
        """
        (window,) = self.windows
        span = int(window.size) + (windows - 1) * int(window.step) if windows else 0
        return self._outputs(tail.through(chunk, first, span))

    def _outputs(self, x: Array) -> Array:
        """As `forward`, in a step: often one place long, or none."""
        return self.forward(x) if x.shape[1] else np.zeros(self.output_shape(x.shape), x.dtype)

    @cached_property
    def _streaming(self) -> tuple[Window, Layer]:
        window = valid_window(self, self.windows)
        first = int(window.size)
        for length in range(first, first + int(window.step)):
            if self.lengths((length,)) != (completed(window, length),):
                raise StreamError(
                    f"{self}: it pads behind the signal, and a stream has no end yet; "
                    'expected padding "valid" or "causal"'
                )
        return window, self.stepped()

    def _expect(self, condition: bool, x: Array, expected: str) -> None:
        if not condition:
            raise ShapeError(f"{self}: got an input of shape {x.shape}; expected {expected}")

    def _expect_channels(self, shape: tuple[int, ...], channels: int) -> None:
        if shape[-1:] != (channels,):
            raise ShapeError(
                f"{self}: got an input of shape {shape}; expected {channels} channels last"
            )

    def __str__(self) -> str:
        return type(self).__name__
