"""Model files: weights in safetensors, architecture and description as JSON, never code."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from cnn_core.arrays import Array
from cnn_core.description import describe, rebuild
from cnn_core.errors import ModelFileError
from cnn_core.layers import Layer
from cnn_core.tree import leaves

FORMAT_VERSION = 1
LARGEST_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, eq=False)
class ModelFile:
    """What a file holds: the network, its owner's description, and the format it was written in."""

    net: Layer
    description: dict[str, Any]
    format_version: int = FORMAT_VERSION


def save(path: Path, net: Layer, description: Mapping[str, Any]) -> None:
    """Write a model file; it appears whole or not at all.

    Raises ModelFileError for weights that are not finite, and writes nothing then.
    """
    metadata = {
        "format_version": str(FORMAT_VERSION),
        "architecture": json.dumps(describe(net), separators=(",", ":")),
        "description": json.dumps(description, sort_keys=True),
    }
    tensors = {name: np.ascontiguousarray(array) for name, array in leaves(net)}
    _check_finite(path, tensors)
    write_tensors(path, tensors, metadata)


def load(path: Path) -> ModelFile:
    """Read a model file; raises ModelFileError for one that is damaged, foreign or too new."""
    metadata, tensors = read_tensors(path)
    version = metadata.get("format_version", "")
    if not version.isdecimal():
        raise ModelFileError(
            f"{path.name}: no format_version in its header; expected a sweepnet model file"
        )
    if int(version) > FORMAT_VERSION:
        raise ModelFileError(
            f"{path.name}: got format_version {version}; "
            f"this sweepnet reads up to {FORMAT_VERSION}. Install a newer sweepnet"
        )
    try:
        architecture = json.loads(metadata["architecture"])
        description = json.loads(metadata["description"])
    except (KeyError, json.JSONDecodeError) as error:
        raise ModelFileError(f"{path.name}: its header is damaged: {error!r}") from error
    net = rebuild(architecture, tensors)
    if not isinstance(net, Layer) or not isinstance(description, dict):
        raise ModelFileError(f"{path.name}: its header describes no network")
    return ModelFile(_checked(path, net, tensors), description, int(version))


def _checked(path: Path, net: Layer, tensors: Mapping[str, Array]) -> Layer:
    unused = set(tensors) - {name for name, _ in leaves(net)}
    if unused:
        raise ModelFileError(f"{path.name}: tensors {sorted(unused)[:3]} belong to no layer")
    _check_finite(path, tensors)
    return net


def _check_finite(path: Path, tensors: Mapping[str, Array]) -> None:
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise ModelFileError(f"{path.name}: tensor {name} holds NaN or infinite numbers")


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Array]]:
    """Header entries and arrays of a safetensors file."""
    try:
        size = path.stat().st_size
        if size > LARGEST_BYTES:
            raise ModelFileError(f"{path.name}: {size} bytes; expected at most {LARGEST_BYTES}")
        with safe_open(path, framework="numpy") as file:
            return file.metadata() or {}, {
                name: file.get_tensor(name) for name in list(file.keys())
            }
    except FileNotFoundError:
        raise ModelFileError(f"{path}: no such file") from None
    except (OSError, SafetensorError, ValueError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{path.name}: not a readable safetensors file: {error}") from error


def write_tensors(path: Path, tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file; equal content gives equal bytes, whatever its order."""
    content = to_bytes(dict(tensors), dict(metadata))
    length = int.from_bytes(content[:8], "little")
    # The library writes metadata in an order that changes from run to run.
    header = json.dumps(json.loads(content[8 : 8 + length]), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    write_whole(path, len(header).to_bytes(8, "little") + header + content[8 + length :])


def write_whole(path: Path, content: bytes) -> None:
    """The file under a temporary name first, then moved into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        # A full disk is told of without a name.
        error.filename = error.filename or str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)
