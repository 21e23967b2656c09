"""One engine on all of the material: a row of figures for each setting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sweepnet_service.detectors.keyword.bench.engine import Engine
from sweepnet_service.detectors.keyword.bench.hearing import Answers, hear_part, name_of
from sweepnet_service.detectors.keyword.bench.material import Material
from sweepnet_service.detectors.keyword.bench.rows import Row, figures
from sweepnet_service.progress import Report


def rows_of(
    engine: Engine, material: Material, settings: Sequence[float], out: Path, report: Report
) -> list[Row]:
    """The engine's rows; what it heard is kept below `out`."""
    words = engine.words
    parts = material.clip_parts(words)
    clips = {name: hear_part(engine, part, settings, out, report) for name, part in parts.items()}
    speech = material.speech_part(words)
    heard = hear_part(engine, speech, settings, out, report)

    def of_word(word: str) -> dict[str, Answers]:
        named = [name_of(row) for row in material.clips[word]]
        return {part: {name: told[name] for name in named} for part, told in clips.items()}

    return [
        Row(
            engine.name,
            setting,
            {
                word: figures(word, setting, of_word(word), speech.recordings, heard)
                for word in words
            },
        )
        for setting in settings
    ]
