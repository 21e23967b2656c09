"""What each method does, without input or output of its own.

A flow yields `Step`s (a call, its request, its time limit), is sent their responses and returns the
result; `Client` and `AsyncClient` differ only in how they drive it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from sweepnet import _calls, _convert_models, _convert_pictures
from sweepnet._calls import Call
from sweepnet._pictures import Pictures
from sweepnet._sources import Source, picture_bytes
from sweepnet.errors import LimitExceeded
from sweepnet.inputs import Picture
from sweepnet.options import DetectOptions
from sweepnet.results import Detections, Model, Scored, Training

MOST_BYTES = (1 << 31) - (1 << 20)
"""Of the pictures of one message: protobuf makes none of 2 GiB, and options need a little."""


class Step(NamedTuple):
    """One unary call."""

    call: Call[Any, Any]
    request: Any
    timeout_s: float | None = None


T = TypeVar("T")
Flow = Generator[Step, Any, T]


def ready() -> Flow[bool]:
    """Whether the server takes calls."""
    return bool((yield Step(_calls.HEALTH, None)))


def detect(source: Source, options: DetectOptions) -> Flow[Detections]:
    """Boxes and scores of a picture."""
    request = _convert_pictures.detect_request(picture_bytes(source), options)
    answer = yield Step(_calls.DETECT, request, options.get("timeout_s"))
    return _convert_pictures.detections(answer.results)


def detect_batch(
    pictures: Iterable[Source | Picture], options: DetectOptions
) -> Flow[tuple[Scored, ...]]:
    """Boxes and scores of several pictures, in their order."""
    batch = Pictures(pictures, options)
    sent = [message for each in pictures if (message := batch.message(each)) is not None]
    _check_size(sent)
    request = _convert_pictures.batch_request(sent, options)
    told = yield Step(_calls.BATCH_DETECT, request, options.get("timeout_s"))
    found = [scored for answer in told.answers for scored in batch.take(answer)]
    return (*found, *batch.end())


def _check_size(pictures: Sequence[Any]) -> None:
    size = sum(picture.ByteSize() for picture in pictures)
    if size >= MOST_BYTES:
        raise LimitExceeded(
            f"pictures: {len(pictures)} of them are {size} bytes altogether; a message holds less "
            f"than {MOST_BYTES}. Send fewer at once, or use detect_stream"
        )


def models() -> Flow[tuple[Model, ...]]:
    """All models, page by page."""
    found: list[Model] = []
    token = ""
    while True:
        page = yield Step(_calls.LIST_MODELS, _convert_models.models_request(token))
        found += map(_convert_models.model, page.models)
        token = page.next_page_token
        if not token:
            return tuple(found)


def model(name: str) -> Flow[Model]:
    """One model."""
    return _convert_models.whole_model(
        (yield Step(_calls.GET_MODEL, _convert_models.model_request(name)))
    )


def train(kind: str, data_folder: str, name: str, settings: Mapping[str, Any]) -> Flow[Training]:
    """A training that was just started."""
    request = _convert_models.training_request(kind, data_folder, name, settings)
    return _convert_models.training((yield Step(_calls.START_TRAINING, request)))


def training(name: str) -> Flow[Training]:
    """A training as it is."""
    return _convert_models.training(
        (yield Step(_calls.GET_OPERATION, _convert_models.watch_request(name)))
    )


def wait_training(name: str, timeout_s: float | None) -> Flow[Training]:
    """A training that has ended, or as it is after `timeout_s`."""
    request = _convert_models.wait_request(name, timeout_s)
    return _convert_models.training((yield Step(_calls.WAIT_OPERATION, request)))


def cancel_training(name: str) -> Flow[None]:
    """Asks a training to stop."""
    yield Step(_calls.CANCEL_OPERATION, _convert_models.cancel_request(name))


def trainings() -> Flow[tuple[Training, ...]]:
    """All trainings that the server remembers, page by page."""
    found: list[Training] = []
    token = ""
    while True:
        page = yield Step(_calls.LIST_OPERATIONS, _convert_models.trainings_request(token))
        found += map(_convert_models.training, page.operations)
        token = page.next_page_token
        if not token:
            return tuple(found)
