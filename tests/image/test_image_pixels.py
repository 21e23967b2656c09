"""Pictures: every format and mode decodes to RGB, limits come first, wrong moves are told."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from sweepnet_service.detectors.image.boxes import Letterbox
from sweepnet_service.detectors.image.pixels import (
    Picture,
    PictureLimits,
    letterboxed,
    read_picture,
)
from sweepnet_service.errors import InvalidInput, LimitExceeded, NotFound

WIDTH, HEIGHT = 60, 40
ORANGE = (230, 120, 30)


def _image(mode: str = "RGB") -> Image.Image:
    """Orange left half, black right half."""
    image = Image.new("RGB", (WIDTH, HEIGHT))
    image.paste(ORANGE, (0, 0, WIDTH // 2, HEIGHT))
    return image.convert(mode)


def _bytes(image: Image.Image, name: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, name, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("BMP", {}),
        ("GIF", {}),
        ("TIFF", {}),
    ],
)
def test_every_format_gives_the_same_pixels(name: str, options: dict[str, object]) -> None:
    picture = read_picture(_bytes(_image(), name, **options))

    assert (picture.width_px, picture.height_px) == (WIDTH, HEIGHT)
    assert picture.pixels.shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_allclose(picture.pixels[20, 10], ORANGE, atol=6)
    np.testing.assert_allclose(picture.pixels[20, 50], 0, atol=6)


@pytest.mark.parametrize(
    ("mode", "name"),
    [("L", "PNG"), ("P", "PNG"), ("1", "PNG"), ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("L", "JPEG")],
)
def test_every_mode_becomes_rgb(mode: str, name: str) -> None:
    picture = read_picture(_bytes(_image(mode), name))

    assert picture.pixels.shape == (HEIGHT, WIDTH, 3)
    assert picture.pixels[20, 50].max() < 40
    assert picture.pixels[:, :20].max() > 120


def test_the_first_frame_of_an_animation_counts() -> None:
    second = Image.new("RGB", (WIDTH, HEIGHT), (0, 0, 255))
    content = _bytes(_image(), "GIF", save_all=True, append_images=[second])

    np.testing.assert_allclose(read_picture(content).pixels[20, 10], ORANGE, atol=6)


@pytest.mark.parametrize("name", ["PNG", "WEBP"])
def test_transparency_lies_on_white(name: str) -> None:
    clear = Image.new("RGBA", (8, 8), (10, 20, 30, 0))

    assert (read_picture(_bytes(clear, name)).pixels == 255).all()


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_16_bit_greys_keep_their_brightness(name: str) -> None:
    deep = Image.fromarray(np.full((8, 8), 0x8000, np.uint16))

    assert read_picture(_bytes(deep, name)).pixels[0, 0].tolist() == [128, 128, 128]


def test_floating_point_greys_run_from_0_to_1() -> None:
    deep = Image.fromarray(np.full((8, 8), 0.5, np.float32))

    assert read_picture(_bytes(deep, "TIFF")).pixels[0, 0].tolist() == [128, 128, 128]


def test_what_is_not_finite_in_a_grey_is_black_and_does_not_dim_the_rest() -> None:
    deep = np.full((8, 8), 0.5, np.float32)
    deep[0, :3] = (np.nan, np.inf, -np.inf)

    pixels = read_picture(_bytes(Image.fromarray(deep), "TIFF")).pixels

    assert pixels[0, :4, 0].tolist() == [0, 0, 0, 128]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["JPEG", "PNG", "TIFF"])
def test_the_exif_turn_is_applied_to_pixels_and_size(orientation: int, name: str) -> None:
    upright = np.asarray(_image())
    undo = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: np.rot90(a, -1),
    }[orientation]
    stored = Image.fromarray(np.ascontiguousarray(undo(upright)))
    exif = Image.Exif()
    exif[0x0112] = orientation

    picture = read_picture(_bytes(stored, name, exif=exif))

    assert (picture.width_px, picture.height_px) == (WIDTH, HEIGHT)
    np.testing.assert_allclose(picture.pixels[20, 10], ORANGE, atol=6)
    np.testing.assert_allclose(picture.pixels[20, 50], 0, atol=6)


def test_a_large_jpeg_is_decoded_at_a_fraction_but_keeps_its_size() -> None:
    content = _bytes(_image().resize((1600, 1200)), "JPEG")

    picture = read_picture(content, enough_px=300)

    assert (picture.width_px, picture.height_px) == (1600, 1200)
    assert 300 <= picture.pixels.shape[1] < 800
    np.testing.assert_allclose(picture.pixels[50, 50], ORANGE, atol=6)


def test_a_nearly_square_photo_decoded_at_a_fraction_keeps_its_sides_apart() -> None:
    picture = read_picture(_bytes(_image().resize((1003, 1002)), "JPEG"), enough_px=250)

    assert (picture.width_px, picture.height_px) == (1003, 1002)


@pytest.mark.parametrize("size", [(3000, 2), (20000, 1), (1, 20000)])
@pytest.mark.parametrize("name", ["JPEG", "PNG"])
def test_a_long_thin_picture_is_decoded(size: tuple[int, int], name: str) -> None:
    picture = read_picture(_bytes(Image.new("RGB", size, ORANGE), name), enough_px=512)

    assert (picture.width_px, picture.height_px) == size
    assert max(picture.pixels.shape[:2]) >= 512
    np.testing.assert_allclose(picture.pixels[0, 0], ORANGE, atol=6)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "1", "L", "LA", "I;16", "F"])
def test_any_mode_is_reduced_like_the_whole_picture(mode: str) -> None:
    image = _large(mode)
    content = _bytes(image, "TIFF" if mode == "F" else "PNG")

    small = read_picture(content, enough_px=400)

    assert (small.width_px, small.height_px) == image.size == (1300, 1100)
    whole = Image.fromarray(read_picture(content).pixels)
    np.testing.assert_array_equal(small.pixels, np.asarray(whole.reduce(3)))


def _large(mode: str) -> Image.Image:
    """More than one strip of smooth noise, half of it transparent where the mode can."""
    rng = np.random.default_rng(3)
    image = Image.fromarray(rng.integers(0, 255, (11, 13, 4), dtype=np.uint8), "RGBA")
    image = image.resize((1300, 1100))
    if mode in ("I;16", "F"):
        grey = np.asarray(image.convert("L"))
        deep = grey.astype(np.uint16) * 257 if mode == "I;16" else grey / np.float32(300)
        return Image.fromarray(deep)
    return image.convert(mode)


def test_a_small_file_with_many_pixels_takes_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    Image.new("1", (7071, 7071), 1).save(path, transparency=0)
    code = (
        "import resource, sys, pathlib;"
        "from sweepnet_service.detectors.image.pixels import read_picture;"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024;"
        "before = peak();"
        "read_picture(pathlib.Path(sys.argv[1]), enough_px=512);"
        "print(peak() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )

    assert int(done.stdout) < 150  # MiB: a byte for each pixel, and some strips


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ZeroDivisionError(), InvalidInput),
        (AttributeError(), InvalidInput),
        (RuntimeError(), InvalidInput),
        (AssertionError(), InvalidInput),
        (MemoryError(), LimitExceeded),
    ],
)
def test_whatever_a_decoder_throws_is_told(
    monkeypatch: pytest.MonkeyPatch, error: Exception, told: type[Exception]
) -> None:
    def broken(*_: object) -> None:
        raise error

    content = _bytes(_image(), "PNG")
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", broken)

    with pytest.raises(told, match="picture: "):
        read_picture(content)


def test_the_letterbox_holds_the_picture_on_grey() -> None:
    pixels = np.full((10, 20, 3), 7, np.uint8)

    frame = letterboxed(Picture(pixels, 20, 10), Letterbox.of(20, 10, 32), 114)

    assert (frame[8:24] == 7).all()
    assert (frame[:8] == 114).all()
    assert (frame[24:] == 114).all()


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "empty.jpg"
    path.write_bytes(b"")

    for source in (path, b""):
        with pytest.raises(InvalidInput, match=r"is empty \(0 bytes\); expected a JPEG"):
            read_picture(source)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"Dear Sir, this is a letter and no picture.", "it is 42 bytes of text"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(40), "such as WAVE sound"),
        (b"%PDF-1.7 and so on", "a PDF document"),
        (b"PK\x03\x04" + bytes(30), "a ZIP archive"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "markup"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(30), "save it as JPEG"),
        (bytes(range(200, 256)), "begin like no known picture"),
    ],
)
def test_what_is_no_picture_is_told_without_quoting_it(
    tmp_path: Path, content: bytes, told: str
) -> None:
    path = tmp_path / "note.png"
    path.write_bytes(content)

    with pytest.raises(InvalidInput, match=r"note\.png: is no picture") as caught:
        read_picture(path)

    assert told in str(caught.value)
    assert "letter" not in str(caught.value)


def test_a_folder_and_a_missing_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is a folder; expected a JPEG"):
        read_picture(tmp_path)
    with pytest.raises(NotFound, match=r"gone\.jpg: no such file"):
        read_picture(tmp_path / "gone.jpg")


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_file_that_ends_early_is_refused(name: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    content = _bytes(Image.fromarray(noise), name)

    with pytest.raises(InvalidInput, match=r"is truncated|is damaged|is no picture"):
        read_picture(content[: int(len(content) * share)])


def test_a_jpeg_that_ends_early_is_called_truncated() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    content = _bytes(Image.fromarray(noise), "JPEG")

    with pytest.raises(InvalidInput, match="is truncated: its pixels end early"):
        read_picture(content[: len(content) // 2])


def test_too_many_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(_bytes(_image(), "PNG"))

    for source in (path, path.read_bytes()):
        with pytest.raises(LimitExceeded, match=r"bytes; expected at most 50\. Send a smaller"):
            read_picture(source, PictureLimits(file_bytes=50))


def _png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = b"IDAT" + zlib.compress(b"")
    chunks = b"".join(
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, body)
    )
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("side", [8000, 12000, 60000])
def test_too_many_pixels_are_refused_from_the_header_alone(side: int) -> None:
    with pytest.raises(LimitExceeded, match="expected at most 50000000 pixels"):
        read_picture(_png_header(side, side))


def test_a_picture_without_pixels_is_refused() -> None:
    with pytest.raises(InvalidInput):
        read_picture(_png_header(0, 10))
