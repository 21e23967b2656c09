"""Picture files to pixels: limits first, then decoding, then the turn that EXIF asks for."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from cnn_core.arrays import Array
from sweepnet_service.errors import InvalidInput, LimitExceeded, NotFound

from .boxes import Letterbox

Pixels = NDArray[np.uint8]

# Only these decoders run: others call programs (EPS) or are rarely tried on hostile bytes.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
FORMAT_NAMES = "JPEG, PNG, WebP, BMP, GIF or TIFF"
DECODER_ERRORS = (
    OSError,
    EOFError,
    SyntaxError,
    ValueError,
    TypeError,
    AttributeError,
    AssertionError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    zlib.error,
)
# Pixels that are brought to RGB at a time.
STRIP_PIXELS = 1 << 20
ORIENTATION_TAG = 0x0112
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)
FOREIGN = (
    (b"RIFF", "a RIFF file such as WAVE sound"),
    (b"ID3", "an MP3 sound file"),
    (b"fLaC", "a FLAC sound file"),
    (b"OggS", "an Ogg sound file"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"%!PS", "a PostScript document"),
)


@dataclass(frozen=True)
class PictureLimits:
    """The largest file and picture that is decoded."""

    file_bytes: int = 32 * 1024 * 1024
    pixels: int = 50_000_000


DEFAULT_LIMITS = PictureLimits()


@dataclass(frozen=True)
class Picture:
    """RGB pixels (H, W, 3) uint8 after the EXIF turn, and the size of the picture as it stands in
    the file: `pixels` may be smaller where a fraction of its size was enough."""

    pixels: Pixels
    width_px: int
    height_px: int


def read_picture(
    source: bytes | Path,
    limits: PictureLimits = DEFAULT_LIMITS,
    enough_px: int | None = None,
    where: str = "picture",
) -> Picture:
    """Decode the first frame of a picture file.

    With `enough_px` the pixels may come at a whole fraction of the picture's size as long as its
    longer side keeps that many: a large picture then never stands in memory as RGB.
    Raises InvalidInput, NotFound or LimitExceeded; messages never quote the content.
    """
    if isinstance(source, Path):
        where = source.name or str(source)
    content = _content(source, limits, where)
    image = _open(content, limits, where)
    width, height = image.size
    colour, orientation = _decode(image, enough_px, where)
    if orientation in SIDEWAYS:
        width, height = height, width
    turned = colour.transpose(TURNS[orientation]) if orientation in TURNS else colour
    return Picture(np.asarray(turned), width, height)


def _content(source: bytes | Path, limits: PictureLimits, where: str) -> bytes:
    if isinstance(source, Path):
        source = _file(source, limits, where)
    _check_bytes(len(source), limits, where)
    return source


def _file(path: Path, limits: PictureLimits, where: str) -> bytes:
    try:
        if path.is_dir():
            raise InvalidInput(where, f"is a folder; expected a {FORMAT_NAMES} file")
        _check_bytes(path.stat().st_size, limits, where)
        return path.read_bytes()
    except FileNotFoundError:
        raise NotFound(where, "no such file; check the path") from None
    except OSError as error:
        raise InvalidInput(where, f"cannot be read ({error.strerror}); check the file") from error


def _check_bytes(size: int, limits: PictureLimits, where: str) -> None:
    if size == 0:
        raise InvalidInput(where, f"is empty (0 bytes); expected a {FORMAT_NAMES} picture")
    if size > limits.file_bytes:
        raise LimitExceeded(
            where, f"got {size} bytes; expected at most {limits.file_bytes}. Send a smaller picture"
        )


def _open(content: bytes, limits: PictureLimits, where: str) -> Image.Image:
    """Reads the header only, so that the limit on pixels comes before their memory."""
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large("more than 89 million pixels", limits, where) from None
    except UnidentifiedImageError:
        raise InvalidInput(
            where, f"is no picture: {_kind(content)}; expected {FORMAT_NAMES}"
        ) from None
    except DECODER_ERRORS as error:
        raise _damaged(error, where) from error
    width, height = image.size
    if width * height > limits.pixels:
        raise _too_large(f"{width} x {height} pixels", limits, where)
    return image


def _too_large(got: str, limits: PictureLimits, where: str) -> LimitExceeded:
    return LimitExceeded(
        where, f"got {got}; expected at most {limits.pixels} pixels. Send a smaller picture"
    )


def _damaged(error: BaseException, where: str) -> InvalidInput:
    # Pillow words it "image file is truncated (n bytes not processed)" or "truncated file read".
    if "truncated" in str(error).lower() or isinstance(error, EOFError):
        return InvalidInput(where, "is truncated: its pixels end early; send the whole file")
    return InvalidInput(where, f"is damaged ({type(error).__name__}); expected a whole picture")


def _kind(content: bytes) -> str:
    """What unreadable bytes seem to be."""
    start = content[:512]
    for signature, name in FOREIGN:
        if start.startswith(signature):
            return f"it is {name}"
    if start[4:8] == b"ftyp":
        return "it is a HEIF, AVIF or MP4 file; save it as JPEG"
    if start.lstrip()[:5].lower() in (b"<svg ", b"<?xml", b"<html", b"<!doc"):
        return "it is markup (SVG, XML or HTML)"
    if _is_text(start):
        return f"it is {len(content)} bytes of text"
    return f"its {len(content)} bytes begin like no known picture"


def _is_text(start: bytes) -> bool:
    try:
        start[: max(1, len(start) - 3)].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in start


def orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1 where it is missing or its block is damaged."""
    try:
        return int(image.getexif().get(ORIENTATION_TAG, 1))
    except DECODER_ERRORS:
        return 1


def _decode(image: Image.Image, enough_px: int | None, where: str) -> tuple[Image.Image, int]:
    """RGB as stored, and the EXIF orientation that it still needs."""
    try:
        if enough_px is not None:
            share = enough_px / max(image.size)
            image.draft(None, (max(1, int(image.width * share)), max(1, int(image.height * share))))
        image.load()
        # Only now: Pillow turns a TIFF while it loads, and then takes the tag away.
        return _reduced_rgb(image, enough_px), orientation(image)
    except Image.DecompressionBombError as error:
        raise LimitExceeded(where, "its frame is larger than its header says") from error
    except MemoryError as error:
        raise LimitExceeded(
            where, "needs more memory than there is; send a smaller picture"
        ) from error
    except DECODER_ERRORS as error:
        raise _damaged(error, where) from error


def _reduced_rgb(image: Image.Image, enough_px: int | None) -> Image.Image:
    """RGB at 1 / n of the size, the longer side at least `enough_px`; strip by strip, so that no
    second copy at full size is made whatever the mode."""
    factor = 1 if enough_px is None else max(1, max(image.size) // enough_px)
    width, height = image.size
    rows = factor * max(1, STRIP_PIXELS // (width * factor))
    brightest = _brightest(image, rows)
    small = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    for top, strip in _strips(image, rows):
        small.paste(_rgb(strip, brightest).reduce(factor), (0, top // factor))
    return small


def _strips(image: Image.Image, rows: int) -> Iterator[tuple[int, Image.Image]]:
    """The image cut into pieces of `rows` rows, each with its first row's number."""
    width, height = image.size
    for top in range(0, height, rows):
        yield top, image.crop((0, top, width, min(height, top + rows)))


def _brightest(image: Image.Image, rows: int) -> float:
    """The value that is white in floating-point greys: 1, or 255 where any goes beyond 1."""
    if image.mode != "F":
        return 255.0
    highest = max(float(_finite(np.asarray(strip)).max()) for _, strip in _strips(image, rows))
    return 1.0 if highest <= 1 else 255.0


def _finite(grey: Array) -> Array:
    return np.nan_to_num(grey, nan=0.0, posinf=0.0, neginf=0.0)


def _rgb(image: Image.Image, brightest: float) -> Image.Image:
    """Any mode as RGB: deep greys brought to 8 bits, transparency laid on white."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_eight_bits(np.asarray(image), brightest)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        clear = image.convert("RGBA")
        white = Image.new("RGB", clear.size, "white")
        white.paste(clear, mask=clear.getchannel("A"))
        return white
    return image.convert("RGB")


def _eight_bits(grey: Array, brightest: float) -> Pixels:
    """16-bit counts by 257; floating-point greys by what is brightest."""
    floating = grey.dtype.kind == "f"
    scaled = _finite(grey) * (255 / brightest) if floating else grey / 257
    return np.asarray(np.clip(scaled + 0.5, 0, 255), np.uint8)


def letterboxed(picture: Picture, box: Letterbox, grey: int) -> Pixels:
    """The picture in its place within a square (size, size, 3), grey around it."""
    frame = np.full((box.size, box.size, 3), grey, np.uint8)
    x0, y0, x1, y1 = box.inner
    image = Image.fromarray(picture.pixels)
    frame[y0:y1, x0:x1] = np.asarray(image.resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR))
    return frame
