"""Where outputs come from: windows, how they compose, how many fit, what span each one saw.

What follows from sizes alone is in this file. One `Window` describes one axis: output `i`
sees the inputs `[start + i * step, start + i * step + size)`. A stack of layers is the product
of its windows, which gives its receptive field, its stride and the place of every score.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import ceil, floor

from cnn_core.errors import GeometryError


@dataclass(frozen=True)
class Window:
    """What one output sees along one axis, in input samples.

    `size` is the receptive field, `step` the stride, `start` the first input of output 0
    (negative where the border is padded). Upsampling repeats inputs: its step is a fraction, and
    a repeated output sees up to `slack` inputs before its own place. A span covers both.
    """

    size: int | Fraction = 1
    step: int | Fraction = 1
    start: int | Fraction = 0
    slack: int | Fraction = 0

    def __post_init__(self) -> None:
        if self.size < 1 or self.step <= 0:
            raise GeometryError(
                f"window: got size {self.size} and step {self.step}; expected size >= 1, step > 0"
            )

    def __matmul__(self, later: Window) -> Window:
        """The window of `later` (which reads this one's outputs), in this one's inputs."""
        return Window(
            size=_whole(self.size + (later.size - 1) * self.step),
            step=_whole(self.step * later.step),
            start=_whole(self.start + later.start * self.step),
            slack=_whole(self.slack + later.slack * self.step),
        )

    @property
    def centre(self) -> Fraction:
        """Middle of output 0's own place (slack left out), as an input index."""
        return Fraction(self.start) + Fraction(self.size - 1) / 2

    def count(self, length: int, padding: int = 0) -> int:
        """How many windows fit in `length` inputs and `padding` in all: floor((n+p-k)/s)+1."""
        return max(0, floor((length + padding - self.size) / self.step) + 1)

    def uncovered(self, length: int, padding: int = 0) -> int:
        """How many inputs at the end no window covers (all of them where none fits)."""
        return self.behind(self.count(length, padding), length)

    def behind(self, windows: int, length: int) -> int:
        """How many of `length` inputs lie behind the last of so many windows."""
        past = 0 if windows == 0 else self.span(windows - 1)[1]
        return max(0, length - max(0, past))

    def span(self, index: int) -> tuple[int, int]:
        """The inputs `[first, past)` that output `index` sees; negative ones are padding."""
        first = self.start + index * self.step
        return ceil(first - self.slack), floor(first + self.size)


Windows = tuple[Window, ...]
"""One window an axis; empty for a pointwise layer, which has the identity on any number of axes."""


def compose(windows: Iterable[Windows]) -> Windows:
    """The product of windows in network order, axis by axis."""
    return reduce(_compose, windows, ())


def _compose(earlier: Windows, later: Windows) -> Windows:
    if not earlier or not later:
        return earlier or later
    if len(earlier) != len(later):
        raise GeometryError(
            f"windows: got {len(earlier)} axes followed by {len(later)}; expected the same number"
        )
    return tuple(a @ b for a, b in zip(earlier, later, strict=True))


def conv_window(kernel: int, stride: int = 1, dilation: int = 1, before: int = 0) -> Window:
    """The window of a convolution or pooling with `before` padded inputs in front."""
    return Window(dilation * (kernel - 1) + 1, stride, -before)


def output_length(length: int, kernel: int, stride: int = 1, dilation: int = 1) -> int:
    """How many windows fit in `length` inputs, their padding counted in."""
    return max(0, (length - dilation * (kernel - 1) - 1) // stride + 1)


def same_padding(kernel: int, dilation: int = 1) -> tuple[int, int]:
    """Padding (before, after) that keeps the length at stride 1.

    Odd filters (L-1)/2 on both sides; even ones L/2 before and L/2-1 after, as the lectures say.
    """
    reach = dilation * (kernel - 1)
    return (reach + 1) // 2, reach // 2


def crop_offsets(windows: Sequence[Window]) -> tuple[int, ...]:
    """How many first outputs each branch drops, so that equal indices are centred alike.

    A causal branch stands at the input where its output 0 ends, not at its centre, whatever is
    beside it: of several none drops any, and none sees later inputs than another. Behind a stride
    causal and centred windows can no longer be told apart: there all are centred.
    """
    steps = {window.step for window in windows}
    if len(steps) != 1:
        raise GeometryError(
            f"branches: got steps {sorted(map(float, steps))}; expected one step for all, "
            "so that their outputs can meet"
        )
    step = windows[0].step
    places = [0 if w.start + w.size == 1 else w.centre for w in windows]
    return tuple(floor((max(places) - place) / step) for place in places)


def cover(windows: Sequence[Window], drops: Sequence[int] | None = None) -> Window:
    """The window that covers what aligned branches see together, each without its first outputs.

    `drops` says how many; by default as many as align the centres.
    """
    shifted = [
        Window(w.size, w.step, w.start + drop * w.step, w.slack)
        for w, drop in zip(windows, drops or crop_offsets(windows), strict=True)
    ]
    start = min(w.start for w in shifted)
    end = max(w.start + w.size for w in shifted)
    slack = start - min(w.start - w.slack for w in shifted)
    return Window(_whole(end - start), _whole(shifted[0].step), _whole(start), _whole(slack))


def _whole(value: int | Fraction) -> int | Fraction:
    """An int where the value is one, so that geometry prints and compares plainly."""
    return int(value) if value == int(value) else Fraction(value)
