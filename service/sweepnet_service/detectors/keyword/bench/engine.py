"""Any keyword engine behind one small adapter: a recording's samples -> what is heard, and when."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

import numpy as np

from cnn_core.arrays import Array
from sweepnet_service.errors import InvalidInput, NotFound


@dataclass(frozen=True)
class Detection:
    """A word that an engine told of, in seconds after the recording's start."""

    word: str
    at_s: float


class Engine(Protocol):
    """What `sweepnet bench` asks of an engine; made by `Class(words)`.

    `words` are those of the asked ones that it can hear, `settings` what it is swept over
    (sensitivities or thresholds, in order), `name` tells its version too: results are kept by it.
    """

    @property
    def name(self) -> str: ...

    @property
    def words(self) -> Sequence[str]: ...

    @property
    def rate_hz(self) -> int: ...

    @property
    def settings(self) -> Sequence[float]: ...

    def hear(self, samples: Array, settings: Sequence[float]) -> Sequence[Sequence[Detection]]:
        """What one recording, float32 (n,) in -1..1 at `rate_hz`, brings at each of `settings`.

        The recording begins and ends with silence. Nothing is carried over to the next call.
        """
        ...


MakeEngine = Callable[[Sequence[str]], Engine]


def load_engine(place: str, words: Sequence[str]) -> Engine:
    """The engine at "package.module:Class" or "folder/file.py:Class", made for these words.

    Raises NotFound where there is none, and InvalidInput for what is no engine or knows none.
    """
    source, _, name = place.rpartition(":")
    if not source or not name:
        raise InvalidInput("engine", f"got {place!r}; expected module:Class or file.py:Class")
    module = from_file(Path(source)) if source.endswith(".py") else from_package(source)
    make = cast(MakeEngine | None, getattr(module, name, None))
    if make is None:
        raise NotFound("engine", f"{source} has no {name}; write module:Class or file.py:Class")
    engine = make(words)
    missing = [part for part in ("name", "words", "rate_hz", "settings", "hear")
               if not hasattr(engine, part)]  # fmt: skip
    if missing:
        raise InvalidInput("engine", f"{place} lacks {', '.join(missing)}; see bench/engine.py")
    return knowing(engine, words)


def knowing(engine: Engine, words: Sequence[str]) -> Engine:
    """The engine itself. Raises InvalidInput where it knows none of the words."""
    if not engine.words:
        raise InvalidInput("engine", f"{engine.name} knows none of the words {', '.join(words)}")
    return engine


def from_package(name: str) -> ModuleType:
    """A module by its name. Raises NotFound where it, or what it needs, is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NotFound("engine", f"cannot import {name} ({error}); is it installed?") from error


def from_file(path: Path) -> ModuleType:
    """A module by its file. Raises as `from_package` does."""
    spec = importlib.util.spec_from_file_location(f"sweepnet_engine_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise NotFound("engine", f"there is no file {path}")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise NotFound("engine", f"{path} needs what is not installed ({error})") from error
    return module


def pcm16(samples: Array) -> Array:
    """Samples in -1..1 as 16-bit whole numbers, int16 (n,), as engines of telephones take them."""
    return np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16)


def frames(samples: Array, size: int) -> Iterator[Array]:
    """The samples (n,) in whole frames (size,); the last one is filled with zeros."""
    for at in range(0, len(samples), size):
        frame = samples[at : at + size]
        yield frame if len(frame) == size else np.pad(frame, (0, size - len(frame)))


def crossings(scores: Iterable[float], threshold: float, refractory: int) -> list[int]:
    """Where scores reach the threshold, at least `refractory` places apart."""
    found: list[int] = []
    for place, score in enumerate(scores):
        if score >= threshold and (not found or place - found[-1] >= refractory):
            found.append(place)
    return found


def down_to_silence(
    hear: Callable[[float], list[Detection]], settings: Sequence[float]
) -> list[list[Detection]]:
    """What `hear` tells at each of `settings`, asked from the highest down until it tells nothing:
    for engines that tell nothing at a setting where they told nothing at a higher one.
    """
    told: dict[float, list[Detection]] = {}
    for setting in sorted(settings, reverse=True):
        told[setting] = hear(setting)
        if not told[setting]:
            break
    return [told.get(setting, []) for setting in settings]
