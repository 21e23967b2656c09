"""Pictures of one call on their way, and their answers in order; no input or output of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from sweepnet import _convert_pictures, _many, _sources
from sweepnet._sources import Source
from sweepnet.errors import ServerFault, SweepnetError
from sweepnet.inputs import Picture
from sweepnet.options import DetectOptions
from sweepnet.results import Scored


class Pictures:
    """What was sent is answered one by one; what cannot be read here is told of in its place."""

    def __init__(self, pictures: object, options: DetectOptions) -> None:
        _many.checked(1, pictures)
        self.opening = _convert_pictures.stream_opening(options)
        self.failure: BaseException | None = None
        self._waiting: deque[Scored] = deque()

    def message(self, given: Source | Picture) -> Any:
        """The picture as it is sent; None for one that cannot be read."""
        own = given if isinstance(given, Picture) else Picture(given)
        name = _sources.name_of(own.source)
        try:
            message = _convert_pictures.picture(_sources.picture_bytes(own.source), own.region)
        except SweepnetError as error:
            self._waiting.append(Scored(name, error=error.message))
            return None
        self._waiting.append(Scored(name))
        return message

    def requests(self, pictures: Iterable[Source | Picture]) -> Iterator[Any]:
        """Messages of a stream; a failure of the caller's pictures is kept for the reader."""
        yield self.opening
        try:
            for given in pictures:
                if (message := self.message(given)) is not None:
                    yield _convert_pictures.stream_picture(message)
        except GeneratorExit:
            raise
        except BaseException as error:  # SystemExit too: gRPC's thread would swallow it
            self.failure = error

    def take(self, answer: Any) -> Iterator[Scored]:
        """The answer to the picture whose turn it is, behind those that were not sent."""
        yield from self._unsent()
        yield _convert_pictures.answered(answer, self._waiting.popleft().source)

    def end(self) -> Iterator[Scored]:
        """Those behind the last answer; then raises what went wrong while sending, if anything."""
        yield from self._unsent()
        if self.failure is not None:
            raise self.failure
        if self._waiting:
            raise ServerFault(f"the server left {len(self._waiting)} picture(s) without an answer")

    def _unsent(self) -> Iterator[Scored]:
        while self._waiting and self._waiting[0].error:
            yield self._waiting.popleft()
