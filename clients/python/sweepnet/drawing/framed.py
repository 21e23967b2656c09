"""A picture's file with one object framed, in its own format. Needs Pillow."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw, ImageOps

FRAME = (255, 40, 40)
PLAIN = "PNG"


def framed(picture: bytes, area_px: tuple[float, float, float, float]) -> bytes:
    """The file with a frame around (left, top, right, bottom) in pixels after the EXIF turn; as it
    is where it cannot be read.
    """
    try:
        with Image.open(io.BytesIO(picture)) as opened:
            kind = opened.format if opened.format in Image.SAVE else PLAIN
            drawn = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError):
        return picture
    width = max(2, round(max(drawn.size) / 200))
    ImageDraw.Draw(drawn).rectangle(area_px, outline=FRAME, width=width)
    file = io.BytesIO()
    drawn.save(file, kind)
    return file.getvalue()
