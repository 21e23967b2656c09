"""One stream of audio under several detectors and channels, without any gRPC.

    SpotRequest -> SpotStream -> steps(message) -> begin -> parts -> news -> summary

Every pair of channel and detector has a session of its own, so each is scored as if alone, and
every channel a clock of its own. All positions are samples per channel since the stream's zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

from cnn_core.arrays import Array
from sweepnet_service.live.lane import Lane, Line, Parts, opened_detector, wanted_labels
from sweepnet_service.live.replies import ChannelNews, News, Opened, Summary, clock_of, thin
from sweepnet_service.live.request import SpotRequest, check_labels, checked_channels, require
from sweepnet_service.live.succession import Succession
from sweepnet_service.pcm import Encoding, cut, decode, sample_bytes

if TYPE_CHECKING:
    from sweepnet_service.captures.hearing import Watch
    from sweepnet_service.detectors.keyword import KeywordDetector, SpotBatch

    BatchOf: TypeAlias = Callable[[KeywordDetector], SpotBatch]

PIECE_FRAMES = 1 << 16
SHORTEST_PIECE_FRAMES = 1024


@dataclass(frozen=True)
class Gap:
    """Samples per channel that were lost."""

    sample_count: int


@dataclass(frozen=True)
class Chunk:
    """What came of one channel alone."""

    channel: int
    content: bytes | Gap


Message: TypeAlias = bytes | Gap | tuple[Chunk, ...]


@dataclass(frozen=True)
class Step:
    """Work of bounded size on a stream: `begin` makes its parts, in the thread that does it.

    `lane_frames`: samples that sessions will hear in it, all of them together.
    """

    begin: Callable[[], Parts]
    lane_frames: int
    urgent: bool = False


class SpotStream:
    """All lines of one stream; used by one thread at a time."""

    def __init__(
        self,
        request: SpotRequest,
        detectors: Sequence[tuple[str, KeywordDetector]],
        batch_of: BatchOf | None = None,
        watch: Watch | None = None,
        succession: Succession | None = None,
    ) -> None:
        known = {label for _, each in detectors for label in each.labels}
        check_labels(request.labels, known, "labels")
        check_labels(request.thresholds, known)
        self.request = request
        self._detectors = [(name, each) for name, each in detectors if wanted_labels(each, request)]
        self._channel_count = request.channel_count or 1
        batches = [(batch_of or batch_alone)(detector) for _, detector in self._detectors]
        self._lines = {
            channel: Line(
                channel,
                request.start_sample,
                [
                    Lane(
                        channel,
                        name,
                        detector,
                        request,
                        batch,
                        watch,
                        succession.of(name) if succession else None,
                    )
                    for (name, detector), batch in zip(self._detectors, batches, strict=True)
                ],
            )
            for channel in checked_channels(request.channels, self._channel_count)
        }
        self._clock = clock_of(request)
        self._begun = False

    @property
    def opened(self) -> Opened:
        """What is scored."""
        named = tuple(
            opened_detector(name, each, self.request, wanted_labels(each, self.request))
            for name, each in self._detectors
        )
        return Opened(self.request.rate_hz, self._channel_count, tuple(self._lines), named)

    @property
    def read_until(self) -> int:
        """Samples that every line has used."""
        return min(line.read_until for line in self._lines.values())

    @property
    def lane_count(self) -> int:
        """Sessions in all."""
        return len(self._lines) * len(self._detectors)

    @property
    def silence_frames(self) -> int:
        """Samples of silence that sessions hear before the first one, and again at the end."""
        window_s = sum(detector.window_s for _, detector in self._detectors)
        return round(window_s * self.request.rate_hz) * len(self._lines)

    @property
    def last_step(self) -> Step:
        """The end of every line."""
        return Step(self.finish, self.silence_frames)

    @property
    def piece_frames(self) -> int:
        """Frames of a piece: the more sessions hear it, the shorter it is."""
        return max(SHORTEST_PIECE_FRAMES, PIECE_FRAMES // max(self.lane_count, 1))

    def steps(self, message: Message, longest_frames: int | None = None) -> Iterator[Step]:
        """What is to be done for a message, none of it long."""
        told_of_frames = self.request.features or self.request.explanations
        # Others begin where the silence before every stream has been heard already.
        silence = self.silence_frames if told_of_frames and not self._begun else 0
        self._begun = True
        frames = longest_frames or self.piece_frames
        if isinstance(message, Gap):
            yield Step(partial(self.gap, message.sample_count), self.silence_frames, urgent=True)
            self._begun = False
        elif isinstance(message, bytes):
            for piece in cut(self.request.encoding, message, self._channel_count, frames):
                yield Step(partial(self.push_bytes, piece), silence + self._lane_frames(piece))
                silence = 0
        else:
            for chunks in rounds(message, self.request.encoding, frames):
                heard = b"".join(x.content for x in chunks if isinstance(x.content, bytes))
                gap = any(isinstance(x.content, Gap) for x in chunks)
                heard_frames = silence + self._lane_frames(heard)
                yield Step(partial(self.push_chunks, chunks), heard_frames, gap)
                silence = 0

    def push_bytes(self, data: bytes) -> Parts:
        """Parts of bytes in the declared encoding, channels interleaved."""
        return self.push(decode(self.request.encoding, data, self._channel_count))

    def push(self, frames: Array) -> Parts:
        """Parts of float32 (n, channels) samples."""
        return chained(line.push(frames[:, line.channel]) for line in self._lines.values())

    def push_chunks(self, chunks: Iterable[Chunk]) -> Parts:
        """Parts of what came of single channels, each of them at most once."""
        return chained(map(self._push_chunk, chunks))

    def gap(self, sample_count: int) -> Parts:
        """The end of what came before, on every line."""
        return chained(line.gap(sample_count) for line in self._lines.values())

    def finish(self) -> Parts:
        """The last ones of every line."""
        return chained(line.finish() for line in self._lines.values())

    def news(self, told: Iterable[ChannelNews], urgent: bool = False) -> News:
        """What came of parts, as the client wants to be told."""
        thinned = (thin(news, self.request.density) for news in told)
        return News(
            self.read_until, tuple(n for n in thinned if n is not None), self._clock, urgent
        )

    def summary(self) -> Summary:
        """The stream so far."""
        lines = self._lines.values()
        lanes = tuple(lane.summary(line.sample_count) for line in lines for lane in line.lanes)
        longest = max(line.sample_count for line in lines)
        return Summary(longest, self.request.rate_hz, lanes, self._clock)

    def _push_chunk(self, chunk: Chunk) -> Parts:
        require(
            0 <= chunk.channel < self._channel_count,
            "chunks.channel",
            chunk.channel,
            f"0..{self._channel_count - 1}",
        )
        samples = b"" if isinstance(chunk.content, Gap) else chunk.content
        decoded = decode(self.request.encoding, samples, 1)[:, 0]
        line = self._lines.get(chunk.channel)
        if line is None:
            return []
        if isinstance(chunk.content, Gap):
            return line.gap(chunk.content.sample_count)
        return line.push(decoded)

    def _lane_frames(self, data: bytes) -> int:
        """Samples that sessions hear, were every channel of the data scored."""
        return len(data) // sample_bytes(self.request.encoding) * len(self._detectors)


def batch_alone(detector: KeywordDetector) -> SpotBatch:
    """For the channels of one stream alone."""
    from sweepnet_service.detectors.keyword import SpotBatch

    return SpotBatch(detector)


def chained(parts: Iterable[Parts]) -> Parts:
    """All parts one behind the other."""
    return list(chain.from_iterable(parts))


def rounds(
    chunks: Iterable[Chunk], encoding: Encoding, longest_frames: int
) -> Iterator[tuple[Chunk, ...]]:
    """The same chunks, long ones cut, in groups that hold each channel at most once."""
    together: dict[int, Chunk] = {}
    for chunk in chain.from_iterable(_cut(chunk, encoding, longest_frames) for chunk in chunks):
        if chunk.channel in together:
            yield tuple(together.values())
            together = {}
        together[chunk.channel] = chunk
    if together:
        yield tuple(together.values())


def _cut(chunk: Chunk, encoding: Encoding, longest_frames: int) -> Iterator[Chunk]:
    if isinstance(chunk.content, Gap):
        yield chunk
    else:
        pieces = cut(encoding, chunk.content, 1, longest_frames)
        yield from (Chunk(chunk.channel, piece) for piece in pieces)
