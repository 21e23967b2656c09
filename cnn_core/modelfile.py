"""Model files: weights in safetensors, architecture and description as JSON, never code."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
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
LARGEST_BYTES = 1024 * 1024 * 1024
"""Of a file: the largest network of the lectures, VGG-19, takes 548 MiB."""
LARGEST_JSON = 4 * 1024 * 1024
"""Characters of a header entry: the deepest network of the lectures takes a tenth."""


@dataclass(frozen=True, eq=False)
class ModelFile:
    """What a file holds: the network, its owner's description, and the format it was written in."""

    net: Layer
    description: dict[str, Any]
    format_version: int = FORMAT_VERSION


def save(path: Path, net: Layer, description: Mapping[str, Any]) -> None:
    """Write a model file; it appears whole or not at all.

    Raises ModelFileError for what `load` would refuse, and writes nothing then.
    """
    metadata = {
        "format_version": str(FORMAT_VERSION),
        "architecture": _architecture(path, net),
        "description": _plain(path, description),
    }
    tensors = {name: np.ascontiguousarray(array) for name, array in leaves(net)}
    _check_size(path, sum(array.nbytes for array in tensors.values()))
    _understood(path, metadata, tensors)
    write_tensors(path, tensors, metadata)


def _architecture(path: Path, net: Layer) -> str:
    if Layer.registry.get(type(net).__name__) is not type(net):
        raise ModelFileError(
            f"{path.name}: got {net}, which model files have no name for; expected a layer of "
            "the registry, as the network within is"
        )
    try:
        return json.dumps(describe(net), separators=(",", ":"))
    except (RecursionError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path.name}: its network is no JSON: {error}") from error


def _plain(path: Path, description: Mapping[str, Any]) -> str:
    try:
        return json.dumps(description, sort_keys=True, allow_nan=False)
    except (RecursionError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"{path.name}: its description is no JSON: {error}; nothing was written"
        ) from error


def load(path: Path) -> ModelFile:
    """Read a model file; raises ModelFileError for one that is damaged, foreign or too new."""
    return _understood(path, *read_tensors(path))


def _understood(path: Path, metadata: Mapping[str, str], tensors: Mapping[str, Array]) -> ModelFile:
    """What header and arrays say: the one check, of what is read and of what is to be written."""
    version = _version(path, metadata)
    net = rebuild(read_json(path, metadata, "architecture"), tensors)
    description = read_json(path, metadata, "description")
    return ModelFile(_checked(path, net, tensors), description, version)


def _version(path: Path, metadata: Mapping[str, str]) -> int:
    text = metadata.get("format_version", "")
    if not text.isascii() or not text.isdecimal() or text.startswith("0"):
        raise ModelFileError(
            f"{path.name}: no format_version in its header; expected a sweepnet model file"
        )
    if len(text) > len(str(FORMAT_VERSION)) or int(text) > FORMAT_VERSION:
        raise ModelFileError(
            f"{path.name}: got format_version {text:.20}; "
            f"this sweepnet reads up to {FORMAT_VERSION}. Install a newer sweepnet"
        )
    return int(text)


def read_json(path: Path, metadata: Mapping[str, str], entry: str) -> dict[str, Any]:
    """The JSON object of a header entry; raises ModelFileError for anything else."""
    text = metadata.get(entry)
    if text is None:
        raise ModelFileError(f"{path.name}: no {entry} in its header")
    if len(text) > LARGEST_JSON:
        raise ModelFileError(
            f"{path.name}: its {entry} has {len(text)} characters; expected at most {LARGEST_JSON}"
        )
    try:
        found = json.loads(
            text, object_pairs_hook=_once, parse_constant=_no_number, parse_float=_finite
        )
    except (ValueError, RecursionError) as error:
        raise ModelFileError(
            f"{path.name}: its header is damaged: {entry} is no JSON: {error}"
        ) from error
    if not isinstance(found, dict):
        raise ModelFileError(f"{path.name}: its {entry} is {found!r:.80}; expected a JSON object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys are told once: of two with one name a reader would see only one."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r:.80} is there twice")
        found[key] = value
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (inf, -inf):
        raise ValueError(f"{text:.20} is beyond the largest number")
    return number


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


def read_tensors(
    path: Path, largest_bytes: int = LARGEST_BYTES
) -> tuple[dict[str, str], dict[str, Array]]:
    """Header entries and arrays of a safetensors file of at most `largest_bytes`."""
    with _opened(path, largest_bytes) as file:
        return file.metadata() or {}, {name: file.get_tensor(name) for name in list(file.keys())}


def read_metadata(path: Path) -> dict[str, str]:
    """Header entries of a safetensors file alone, however large it is."""
    with _opened(path) as file:
        return file.metadata() or {}


def _check_size(path: Path, size: int, largest_bytes: float = LARGEST_BYTES) -> None:
    if size > largest_bytes:
        raise ModelFileError(f"{path.name}: {size} bytes; expected at most {largest_bytes}")


@contextmanager
def _opened(path: Path, largest_bytes: float = inf) -> Iterator[Any]:
    """The file open for reading; whatever its reading raises is told as one error."""
    try:
        size = path.stat().st_size
        _check_size(path, size, largest_bytes)
        with safe_open(path, framework="numpy") as file:
            yield file
    except FileNotFoundError:
        raise ModelFileError(f"{path}: no such file") from None
    except ModelFileError:
        raise
    except (AttributeError, OSError, SafetensorError, TypeError, ValueError) as error:
        # Types of numbers that NumPy lacks end in attribute and type errors.
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
