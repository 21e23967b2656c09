"""Versions of models between the wire and the domain."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from sweepnet_protos.v1 import model_pb2
from sweepnet_service.store import Version


def version(told: Version, aliases: Mapping[str, int]) -> model_pb2.ModelVersion:
    """A version, with those of its detector's aliases that name it."""
    lineage = told.lineage
    return model_pb2.ModelVersion(
        name=told.name,
        aliases=_naming(aliases, told.number),
        create_time=time(told.created_s),
        size_bytes=told.size_bytes,
        sha256=told.sha256,
        metrics=struct(told.metrics),
        lineage=model_pb2.ModelLineage(
            operation=lineage.operation,
            data_set=lineage.data_set,
            data_sha256=lineage.data_sha256,
            base_model=lineage.base_model,
            code_version=lineage.code_version,
            settings=struct(lineage.settings),
            capture_count=lineage.capture_count,
        ),
    )


def _naming(aliases: Mapping[str, int], number: int) -> Sequence[str]:
    return [alias for alias, named in aliases.items() if named == number]


def struct(values: Mapping[str, Any]) -> Struct:
    """JSON as a message."""
    told = Struct()
    json_format.ParseDict(json.loads(json.dumps(dict(values))), told)
    return told


def time(seconds: float) -> Timestamp:
    """Seconds since 1970."""
    return Timestamp(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))
