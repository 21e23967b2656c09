"""`sweepnet listen`: words as they are said, with a line of scores that moves."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Annotated, BinaryIO, cast

import typer
from rich.console import Console

from sweepnet import Client, Event, Gap
from sweepnet.cli.connection import (
    Detectors,
    FalseAlarms,
    Json,
    Models,
    Server,
    Thresholds,
    connected,
    rate,
    thresholds,
)
from sweepnet.cli.output import new_table, print_json, show
from sweepnet.cli.raw import Raw, RawFormat, parsed
from sweepnet.cli.scores import ScoreLine
from sweepnet.microphone import CHUNK_S, Microphone, devices
from sweepnet.options import SpotOptions, StreamOptions
from sweepnet.records import event_record

Chunks = Iterable[bytes | Gap]
DEFAULT_FORMAT = RawFormat(16_000, 1, "LINEAR16")


def listen(
    device: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Microphone, by number or a part of its name."),
    ] = None,
    list_devices: Annotated[
        bool, typer.Option("--list-devices", help="List the microphones and end.")
    ] = False,
    stdin: Annotated[
        bool,
        typer.Option("--stdin", help="Hear raw samples from standard input, not a microphone."),
    ] = False,
    raw: Raw = None,
    seconds: Annotated[
        float | None, typer.Option(metavar="S", min=0, help="End after so much audio.")
    ] = None,
    patience_s: Annotated[
        float,
        typer.Option("--patience", metavar="S", min=0, help="Wait so long for a lost server."),
    ] = 60.0,
    detector: Detectors = None,
    threshold: Thresholds = None,
    false_alarms_per_hour: FalseAlarms = None,
    as_json: Json = False,
    server: Server = None,
    models: Models = None,
) -> None:
    """Hear words from a microphone, live, until Ctrl-C.

    On a terminal a line shows the highest score of each label in the last second; each word is a
    line of its own, with --json an object. A server that goes away is waited for, and what was
    said meanwhile is heard when it is back. --raw is the format of the microphone's or standard
    input's samples, 16000 if not given.
    """
    if list_devices:
        return _list(as_json)
    wanted, form = thresholds(threshold), parsed(raw) or DEFAULT_FORMAT
    spot: SpotOptions = {
        "detectors": detector or (),
        **rate(false_alarms_per_hour, wanted),
        **form.options(),
    }
    options = cast("StreamOptions", spot)
    # The source first: where there is no microphone no server need be started.
    with _source(device, stdin, form) as heard, connected(server, models, detector or ()) as client:
        options |= {"thresholds": wanted.known(client, "keyword", detector or ())}
        chunks = heard if seconds is None else first(heard, seconds, form)
        _tell(client, chunks, options, patience_s, as_json)
    return None


def _source(device: str | None, stdin: bool, form: RawFormat) -> AbstractContextManager[Chunks]:
    if stdin:
        return nullcontext(samples(sys.stdin.buffer, form))
    if form.encoding != "LINEAR16":
        raise typer.BadParameter("a microphone gives linear16 samples", param_hint="--raw")
    return Microphone(
        int(device) if device is not None and device.isdecimal() else device,
        rate_hz=form.rate_hz,
        channel_count=form.channel_count,
    )


def samples(file: BinaryIO, form: RawFormat) -> Iterator[bytes]:
    """Chunks of whole frames, as soon as each is there."""
    size = form.frame_bytes * max(1, round(CHUNK_S * form.rate_hz))
    while piece := file.read(size):
        yield piece[: len(piece) // form.frame_bytes * form.frame_bytes]


def first(chunks: Chunks, seconds: float, form: RawFormat) -> Iterator[bytes | Gap]:
    """The chunks of the first seconds."""
    left = round(seconds * form.rate_hz)
    for chunk in chunks:
        if isinstance(chunk, Gap):
            left -= chunk.sample_count
            yield chunk
        else:
            yield chunk[: left * form.frame_bytes]
            left -= len(chunk) // form.frame_bytes
        if left <= 0:
            return


def _tell(
    client: Client, chunks: Chunks, options: StreamOptions, patience_s: float, as_json: bool
) -> None:
    with client.listen(chunks, patience_s=patience_s, **options) as listening, _line() as line:
        for update in listening:
            if line is not None and listening.opened is not None:
                line.show(update, listening.opened)
            for event in update.events:
                _print(event, as_json, line)


def _print(event: Event, as_json: bool, line: ScoreLine | None) -> None:
    with nullcontext() if line is None else line.aside():
        if as_json:
            print_json(event_record(event))
        else:
            channel = f" channel {event.channel}" if event.channel else ""
            print(
                f"{event.start_s:8.2f}-{event.end_s:.2f} s  {event.label} ({event.score:.2f})"
                f"{channel}",
                flush=True,
            )


@contextmanager
def _line() -> Iterator[ScoreLine | None]:
    """The moving line where somebody sees it: on a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    with ScoreLine(Console(stderr=True)) as line:
        yield line


def _list(as_json: bool) -> None:
    found = devices()
    if as_json:
        for each in found:
            print_json(vars(each))
        return
    table = new_table("Number", "Name", "Channels", "Samples per second")
    for each in found:
        table.add_row(str(each.number), each.name, str(each.channel_count), str(each.rate_hz))
    show(table) if found else print("no microphone")
