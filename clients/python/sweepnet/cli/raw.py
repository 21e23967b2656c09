"""`--raw 16000,2,float32`: what files without a header hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, cast, get_args

import typer

from sweepnet._resuming import SAMPLE_BYTES
from sweepnet.options import Encoding, SpotOptions

FORM = "RATE[,CHANNELS[,ENCODING]], such as 16000 or 8000,2,mulaw"
ENCODINGS = tuple(each for each in get_args(Encoding) if each != "CONTAINER")
Raw = Annotated[
    str | None,
    typer.Option(
        "--raw",
        metavar="RATE[,CHANNELS[,ENCODING]]",
        help="The files are raw samples without a header: samples per second, channels (1), and "
        f"{', '.join(each.lower() for each in ENCODINGS)} (linear16).",
    ),
]


@dataclass(frozen=True)
class RawFormat:
    """What the bytes of a headerless file are."""

    rate_hz: int
    channel_count: int
    encoding: Encoding

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of each channel."""
        return SAMPLE_BYTES[self.encoding] * self.channel_count

    def options(self) -> SpotOptions:
        """As the client takes it."""
        return {
            "encoding": self.encoding,
            "rate_hz": self.rate_hz,
            "channel_count": self.channel_count,
        }


def parsed(given: str | None) -> RawFormat | None:
    """The format that `--raw` names; raises BadParameter."""
    if given is None:
        return None
    parts = given.split(",")
    rate, channels, encoding, *more = [*parts, *("", "1", "linear16")[len(parts) :]]
    known = encoding.upper() in ENCODINGS and not more
    if not (known and _positive(rate) and _positive(channels)):
        raise typer.BadParameter(
            f"got {given!r}; expected {FORM}; encodings: {', '.join(ENCODINGS).lower()}",
            param_hint="--raw",
        )
    return RawFormat(int(rate), int(channels), cast("Encoding", encoding.upper()))


def _positive(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 11 and 0 < int(text) < 1 << 31
