"""`--clips DIR`: what was found, cut out of its recording as WAV files. Needs the extra [clips]."""

from __future__ import annotations

import importlib.util
import re
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sweepnet import Event, Scored, SpotResult
from sweepnet.cli.output import written
from sweepnet.cli.places import check_writable, stems
from sweepnet.cli.raw import RawFormat
from sweepnet.errors import FailedPrecondition

Clips = Annotated[
    str | None,
    typer.Option(
        "--clips",
        metavar="DIR",
        help="Cut out what was found, each as a WAV file of its channel with 0.1 s more at either "
        "end (needs sweepnet[clips]).",
    ),
]
MISSING = "soundfile is missing (pip install 'sweepnet[clips]')"
MARGIN_S = 0.1
RAW_SUBTYPES = {"LINEAR16": "PCM_16", "FLOAT32": "FLOAT", "MULAW": "ULAW", "ALAW": "ALAW"}
# What a source's samples are read and written as; others, and what was compressed, as 16 bits.
KEPT = {
    "PCM_24": ("int32", "i", "PCM_24"),
    "PCM_32": ("int32", "i", "PCM_32"),
    "FLOAT": ("float32", "f", "FLOAT"),
    "DOUBLE": ("float32", "f", "FLOAT"),
}
SHORT = ("int16", "h", "PCM_16")


def check(out: str, files: Sequence[str]) -> Mapping[str, str]:
    """How clips of each recording begin; raises before any work where there will be no clips."""
    if Path(out).exists() and not Path(out).is_dir():
        raise typer.BadParameter(f"got {out!r}, a file; expected a folder", param_hint="--clips")
    check_writable(Path(out), out, "--clips")
    if importlib.util.find_spec("soundfile") is None:
        raise FailedPrecondition(f"--clips: {MISSING}")
    return stems(files, "--clips")


def cut_out(
    results: Iterable[Scored], folder: Path, names: Mapping[str, str], raw: RawFormat | None
) -> Iterator[Scored]:
    """The results; clips of each are written as it passes, and told of on standard error."""

    def cut_one(scored: Scored) -> None:
        if isinstance(scored.result, SpotResult):
            count = cut(scored.source, scored.result, folder, names[scored.source], raw)
            print(f"clips: {count} of {scored.source} in {folder}", file=sys.stderr)

    return written(results, cut_one)


def cut(source: str, result: SpotResult, folder: Path, stem: str, raw: RawFormat | None) -> int:
    """Write every event as `STEM-003-12.34s-label.wav`; how many there are."""
    import soundfile

    if not result.events:
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with opened(source, raw) as audio:
            for number, event in enumerate(result.events, 1):
                name = f"{stem}-{number:03d}-{event.start_s:.2f}s-{_plain(event.label)}.wav"
                _write(audio, event, folder / name)
    except soundfile.LibsndfileError as error:
        raise FailedPrecondition(f"--clips: {source} cannot be cut: {error}") from None
    return len(result.events)


def opened(source: str, raw: RawFormat | None) -> Any:
    """The recording, open as the server read it."""
    import soundfile

    if raw is None:
        return soundfile.SoundFile(source)
    return soundfile.SoundFile(
        source, samplerate=raw.rate_hz, channels=raw.channel_count, format="RAW",
        subtype=RAW_SUBTYPES[raw.encoding], endian="LITTLE",
    )  # fmt: skip


def _write(audio: Any, event: Event, path: Path) -> None:
    import soundfile

    kind, code, subtype = KEPT.get(audio.subtype, SHORT)
    margin = round(MARGIN_S * event.rate_hz)
    start = max(0, event.start_sample - margin)
    audio.seek(start)
    frames = array(code, bytes(audio.buffer_read(event.end_sample + margin - start, kind)))
    part = path.with_name(f".{path.name}.part")
    try:
        with soundfile.SoundFile(part, "w", event.rate_hz, 1, subtype, format="WAV") as clip:
            clip.buffer_write(frames[event.channel :: audio.channels].tobytes(), kind)
        part.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        part.unlink(missing_ok=True)


def _plain(label: str) -> str:
    """A label as part of a file's name."""
    return re.sub(r"[^\w-]+", "_", label).strip("_") or "label"
