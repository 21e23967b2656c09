"""Words put beside those of a detector, as `sweepnet train keyword --add-to` does it."""

from __future__ import annotations

from collections.abc import Sequence

from cnn_core.fold import fold
from cnn_core.layers import Sequential
from sweepnet_service.detectors.keyword import KeywordDetector
from sweepnet_service.detectors.keyword.assembly import Pieces, assemble, path_steps, taken_apart
from sweepnet_service.detectors.keyword.joined import joined
from sweepnet_service.detectors.keyword.tuning import untuned


def with_label(
    detector: KeywordDetector,
    label: str,
    heads: Sequence[Sequential],
    spellings: tuple[tuple[int, ...], ...] = (),
) -> KeywordDetector:
    """The detector with another label on its trunk, still to be tuned."""
    parts = taken_apart(fold(detector.net))
    assert parts is not None
    pieces = Pieces(*parts, tuple(heads), spellings, path_steps=path_steps(spellings))
    return joined([detector, untuned(assemble(pieces), label, detector.features)])
