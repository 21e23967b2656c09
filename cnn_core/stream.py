"""A network over signals that arrive in chunks, for ever: the scores of the whole, many at once.

    stream = open_stream(net)
    heard = stream.step(chunk)  # (t, C), t >= 0: the scores that it completes
    stream.gap(inputs)          # nothing is known of so many inputs: the clock goes on
    stream.finish()

Streams of one `StreamBatch` share every product of matrices, wherever each of them stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from numbers import Integral

import numpy as np

from cnn_core.arrays import Array, Flags, Integers
from cnn_core.errors import ShapeError, StreamError
from cnn_core.finite import check_finite
from cnn_core.geometry import Window
from cnn_core.layers import Layer
from cnn_core.layers.chunks import Chunk, agreed
from cnn_core.slots import Row, Slots
from cnn_core.stream_state import Place, SavedTails, from_bytes, to_bytes

MOST_PLACES = 8192
"""Streams times inputs of one product at most: it bounds the memory of a step."""
SPARE_PLACES = 4
"""A chunk shorter by so few is filled up: a second step of the others alone would take longer."""


@dataclass(frozen=True, eq=False)
class StreamScores:
    """Scores (t, L) that a chunk completed; score i saw the inputs `window.span(i)`.

    Inputs are counted since the stream was opened, gaps included.
    """

    scores: Array
    first: Window
    """What the first score since the signal began saw, counted from there."""
    place: Place
    """Where the stream stood before the chunk."""

    @property
    def begin(self) -> int:
        """The signal's first input: that of the stream, or the one after the last gap."""
        return self.place.begin

    @property
    def window(self) -> Window:
        start = self.begin + self.first.start + self.place.given * self.first.step
        return Window(self.first.size, self.first.step, start, self.first.slack)

    @property
    def warming(self) -> Flags:
        """(t,): where the window reaches back before the signal's beginning."""
        window = self.window
        earliest = float(window.start - window.slack)
        return earliest + float(window.step) * np.arange(len(self.scores)) < self.begin


@dataclass(frozen=True)
class StreamEnd:
    """What a finished stream amounts to; `uncovered` inputs at its end no window covers."""

    read: int
    written: int
    uncovered: int


class Stream:
    """One signal in chunks; made by `open_stream`, or by `StreamBatch.open` to share its steps."""

    def __init__(self, batch: StreamBatch) -> None:
        self.batch = batch
        self.place = Place()
        self.row: Row | None = None
        """Where its tails lie; none while it has heard nothing."""
        self.finished = False

    @property
    def read(self) -> int:
        """Inputs since the stream was opened, gaps included."""
        return self.place.read

    @property
    def written(self) -> int:
        """Scores given so far."""
        return self.place.written

    def step(self, chunk: Array) -> StreamScores:
        """The scores that the inputs (t, C), t >= 0, complete.

        Raises StreamError after the end, and ShapeError or NotFiniteError for a chunk that
        cannot be; the stream is then as it was.
        """
        return self.batch.step({self: chunk})[self]

    def gap(self, inputs: int = 0) -> None:
        """Nothing is known of the next inputs: the state is fresh, the clock goes on."""
        self.check("gap")
        if not isinstance(inputs, Integral) or inputs < 0:
            raise StreamError(f"Stream.gap: got {inputs} inputs; expected a whole number >= 0")
        self.row = None
        self.place = self.place.after_gap(int(inputs))

    def finish(self) -> StreamEnd:
        """Ends the stream. Raises StreamError where it has ended already."""
        self.check("finish")
        self.finished, self.row = True, None
        uncovered = self.batch.window.uncovered(self.place.run)
        return StreamEnd(self.read, self.written, uncovered)

    def fork(self) -> Stream:
        """A second stream of the same batch, which goes on from here by itself."""
        self.check("fork")
        return self.batch.fork(self)

    def save(self) -> bytes:
        """The state as plain data, with which any process that has the same network goes on."""
        self.check("save")
        return to_bytes(self.batch.net, self.place, self.batch.tails(self))

    def check(self, action: str) -> None:
        if self.finished:
            raise StreamError(f"Stream.{action}: the stream is finished; open a new one")


class StreamBatch:
    """Streams of one network that are stepped together: their tails are one array a layer.

    To rounding a score does not depend on which streams share a step, nor on where they stand.
    The first chunk decides channels and precision for all. Not to be shared by threads.
    """

    def __init__(self, net: Layer) -> None:
        if len(net.windows) > 1:
            raise StreamError(f"{net}: sweeps {len(net.windows)} axes; only 1-D signals stream")
        self.net = net
        self.window = net.windows[0] if net.windows else Window()
        self._warm = ceil(self.window.size + self.window.slack + abs(float(self.window.start)))
        (self._period,) = net.periods or (1,)
        self._slots: Slots | None = None

    def open(self) -> Stream:
        """A fresh stream."""
        return Stream(self)

    def fork(self, stream: Stream) -> Stream:
        """A stream that stands where this one of the batch does, with tails of its own."""
        other = self.open()
        other.place = stream.place
        if self._slots is not None and stream.row is not None:
            other.row = self._slots.copy(stream.row)
        return other

    def restore(self, content: bytes) -> Stream:
        """The stream that `Stream.save` wrote. Raises StreamError for another network's."""
        stream = self.open()
        stream.place, saved = from_bytes(self.net, content)
        if saved is not None:
            like = np.zeros((0, saved.channels), saved.dtype)
            stream.row = self._ready("StreamBatch.restore", like).claim(saved.tails)
        return stream

    def step(self, chunks: Mapping[Stream, Array]) -> dict[Stream, StreamScores]:
        """The scores that each stream's next inputs (t, C) complete, in one batched step.

        Raises as `Stream.step`; no stream has moved then. Where memory runs out within, or somebody
        interrupts, the streams have ended.
        """
        given = {s: self._checked(s, i, x) for i, (s, x) in enumerate(chunks.items())}
        _check_finite(given)
        places = {stream: stream.place for stream in given}
        heard: dict[Stream, list[Array]] = {stream: [] for stream in given}
        for part in _parts(given):
            for stream, scores in self._step(part):
                heard[stream].append(scores)
                stream.place = stream.place.after(len(part[stream]), len(scores))
        return {s: self._scores(places[s], pieces) for s, pieces in heard.items()}

    def tails(self, stream: Stream) -> SavedTails | None:
        """What is kept of one stream; None while it has heard nothing."""
        if self._slots is None or stream.row is None:
            return None
        return SavedTails(self._slots.saved(stream.row), self._slots.channels, self._slots.dtype)

    def _step(self, part: Mapping[Stream, Array]) -> Iterator[tuple[Stream, Array]]:
        slots = self._ready("Stream.step", next(iter(part.values())))
        rows = {stream: stream.row or slots.claim() for stream in part}
        numbers = np.array([row.number for row in rows.values()])
        runs = self._alike(np.array([stream.place.run for stream in part]))
        counts = np.array([len(chunk) for chunk in part.values()])
        x = np.zeros((len(part), counts.max(), slots.channels), slots.dtype)
        x[np.arange(x.shape[1]) < counts[:, None]] = np.concatenate(list(part.values()))
        try:
            y = self.net.step(slots.tails, Chunk(x, agreed(runs), agreed(counts), numbers))
        except BaseException:  # no memory, or interrupted: some tails have moved, others have not
            for stream in part:
                stream.finished = True
            raise
        new = np.broadcast_to(y.count, len(part)).tolist()
        for stream, row, scores, count in zip(part, rows.values(), y.x, new, strict=True):
            stream.row = row
            yield stream, scores[:count].copy()

    def _alike(self, runs: Integers) -> Integers:
        """Streams that have run for long stand where others do, whole periods before: the fewer
        different places there are, the less is reckoned stream by stream.
        """
        warm: Integers = self._warm + (runs - self._warm) % self._period
        return np.minimum(runs, warm)

    def _ready(self, where: str, chunk: Array) -> Slots:
        """The slots for chunks of such channels; the first chunk of all decides."""
        channels = chunk.shape[1]
        if self._slots is None:
            # One window of zeros asks the layers whether they take so many channels.
            probe = np.zeros((1, ceil(self.window.size), channels), chunk.dtype)
            self._nothing = self.net.forward(probe)[0, :0]
            self._slots = Slots(self.net, channels, self._nothing.dtype)
        elif self._slots.channels != channels:
            raise ShapeError(
                f"{where}: got {channels} channels; expected {self._slots.channels}, "
                "as the streams of this network have had before"
            )
        return self._slots

    def _scores(self, place: Place, pieces: list[Array]) -> StreamScores:
        scores = pieces[0] if len(pieces) == 1 else np.concatenate((self._nothing, *pieces))
        return StreamScores(scores, self.window, place)

    def _checked(self, stream: Stream, index: int, chunk: Array) -> Array:
        if stream.batch is not self:
            raise StreamError(f"{_name(index)}: it belongs to another batch of streams")
        stream.check("step")
        chunk = np.asarray(chunk)
        if chunk.ndim != 2:
            raise ShapeError(f"{_name(index)}: got shape {chunk.shape}; expected (time, channels)")
        if chunk.dtype.kind != "f":
            chunk = chunk.astype(np.float32)
        dtype = self._ready(_name(index), chunk).dtype
        if chunk.dtype == dtype:
            return chunk
        with np.errstate(over="ignore"):  # what is too large for the type is refused as infinite
            return chunk.astype(dtype, copy=False)


def open_stream(net: Layer) -> Stream:
    """A stream of its own. Raises StreamError for a network of several axes.

    Whether layers pad behind the signal shows at the first step, which then raises it.
    """
    return StreamBatch(net).open()


def restore_stream(net: Layer, content: bytes) -> Stream:
    """The stream that `Stream.save` wrote, here or elsewhere; StreamError for another network's."""
    return StreamBatch(net).restore(content)


def _name(index: int) -> str:
    return f"Stream.step, stream {index}"


def _check_finite(chunks: Mapping[Stream, Array]) -> None:
    """All chunks at once, for few are ever refused; then one by one, to say which."""
    if len(chunks) > 1 and np.isfinite(np.concatenate(list(chunks.values()))).all():
        return
    for index, (stream, chunk) in enumerate(chunks.items()):
        check_finite(_name(index), chunk, (stream.read,))


def _parts(chunks: Mapping[Stream, Array]) -> Iterator[dict[Stream, Array]]:
    """Steps of bounded size, streams with chunks of about one length together; no empty chunks."""
    rest = {stream: chunk for stream, chunk in chunks.items() if len(chunk)}
    while rest:
        longest = max(map(len, rest.values()))
        least = 3 * longest // 4 - SPARE_PLACES
        alike = [stream for stream, chunk in rest.items() if len(chunk) >= least]
        length = max(1, MOST_PLACES // len(alike))
        if len(alike) == len(rest) and longest <= length:
            yield rest
            return
        yield {stream: rest[stream][:length] for stream in alike}
        for stream in alike:
            rest[stream] = rest[stream][length:]
            if not len(rest[stream]):
                del rest[stream]
