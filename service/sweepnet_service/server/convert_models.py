"""Models, trainings and operations between the wire and the domain."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from google.protobuf import json_format

from cnn_core.errors import CoreError
from cnn_core.summary import Summary, summary
from sweepnet_protos.v1 import model_pb2
from sweepnet_service.errors import ModelUnreadable, SweepnetError
from sweepnet_service.server import convert_versions
from sweepnet_service.store import Library, ModelEntry
from sweepnet_service.store.entries import HEARING

if TYPE_CHECKING:
    from sweepnet_service.detectors.keyword import KeywordDetector
    from sweepnet_service.store.entries import Detector

KINDS = {
    "keyword": model_pb2.MODEL_KIND_KEYWORD,
    "image": model_pb2.MODEL_KIND_IMAGE,
    "phones": model_pb2.MODEL_KIND_KEYWORD,
}


def model(library: Library, name: str) -> model_pb2.Model:
    """Everything about a model; one that cannot be read says why in `error`."""
    # Loaded before it is asked what it is: a broken version gives way to the one before it.
    with suppress(ModelUnreadable):
        library.load(name)
    entry = library.entry(name)
    told = _bare(library, entry)
    try:
        _describe(told, entry, library.load(name))
    except SweepnetError as error:
        told = _bare(library, entry)
        told.error = error.message
    except Exception as error:  # a card may hold anything
        told = _bare(library, entry)
        told.error = f"its description cannot be told ({type(error).__name__})"
    return told


def bare_model(library: Library, name: str) -> model_pb2.Model:
    """What is known of a model without loading it: its kind, size and version."""
    return _bare(library, library.entry(name))


def whole_model(library: Library, name: str) -> model_pb2.GetModelResponse:
    """A model with its network; without one where the model cannot be used.

    A network that takes no such input is an error of the model.
    """
    told = model_pb2.GetModelResponse(model=model(library, name))
    if told.model.error:
        return told
    detector = library.load(name)
    try:
        told.network.CopyFrom(_network(summary(detector.net, detector.input_shape)))
    except CoreError as error:
        told.model.error = f"its network takes no input of shape {detector.input_shape}: {error}"
    return told


def _network(table: Summary) -> model_pb2.Network:
    return model_pb2.Network(
        input_shape=table.input_shape,
        layers=[
            model_pb2.NetworkLayer(
                path=row.path,
                layer=row.layer,
                output_shape=row.output_shape,
                parameter_count=row.parameters,
                multiply_add_count=row.multiply_adds,
                receptive_field=row.receptive_field,
                stride=row.stride,
            )
            for row in table.rows
        ],
    )


def _bare(library: Library, entry: ModelEntry) -> model_pb2.Model:
    told = model_pb2.Model(
        name=entry.name,
        kind=KINDS.get(entry.kind, model_pb2.MODEL_KIND_UNSPECIFIED),
        size_bytes=entry.size_bytes,
        format_version=entry.format_version,
        error=entry.error,
    )
    if entry.version is not None and library.versions is not None:
        aliases = library.versions.aliases(entry.name)
        told.version.CopyFrom(convert_versions.version(entry.version, aliases))
    return told


def _describe(told: model_pb2.Model, entry: ModelEntry, detector: Detector) -> None:
    told.labels.extend(detector.labels)
    told.default_thresholds.update(detector.default_thresholds)
    for label, points in detector.operating_points.items():
        ordered = sorted(points, key=lambda point: point.threshold)
        told.operating_points.extend(_operating_point(label, point) for point in ordered)
    json_format.ParseDict(json.loads(json.dumps(detector.card)), told.card)
    if entry.kind in HEARING:
        keyword = cast("KeywordDetector", detector)
        told.sample_rate_hz = keyword.rate_hz
        told.window_s = keyword.window_s
        told.hop_s = keyword.hop_s


def _operating_point(label: str, point: Any) -> model_pb2.OperatingPoint:
    told = model_pb2.OperatingPoint(
        label=label, threshold=point.threshold, miss_rate=point.miss_rate
    )
    for rate in ("false_alarms_per_hour", "false_boxes_per_picture"):
        if hasattr(point, rate):
            setattr(told, rate, getattr(point, rate))
    if hasattr(point, "measured_hours"):
        told.measured_hours, told.extrapolated = point.measured_hours, point.extrapolated
    return told


def kind_filter(kind: int) -> str | None:
    """The kind asked for, None for all."""
    return next((name for name, number in KINDS.items() if number == kind), None)
