"""Photos with what was found in them: boxes and scores, a map of scores, pieces. Needs Pillow."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from sweepnet.results import Box, Detections, ScoreMap

FOUND, PAPER, POINT = (0, 160, 135), (255, 255, 255), (255, 170, 0)
WARM, HOT = (255, 217, 51), (230, 13, 26)
STRONGEST = 200
"""How much of a photo the highest score covers, of 255."""
QUALITY = 92


def photo_of(path: Path) -> Image.Image:
    """The picture after its EXIF turn, in colour, as the server sees it: transparency laid on
    white, deep greys in 8 bits."""
    with Image.open(path) as picture:
        turned = ImageOps.exif_transpose(picture)
        if turned.mode.startswith("I"):
            return turned.convert("I").point(lambda value: value * (1 / 257)).convert("RGB")
        if turned.has_transparency_data:
            clear = turned.convert("RGBA")
            return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert(
                "RGB"
            )
        return turned.convert("RGB")


def boxed(photo: Image.Image, found: Detections) -> Image.Image:
    """The photo with every box, its label and its score."""
    drawn = photo.copy()
    pen = ImageDraw.Draw(drawn)
    width = max(2, round(max(photo.size) / 250))
    font = ImageFont.load_default(max(11, round(max(photo.size) / 32)))
    for box in reversed(found.boxes):
        _frame(pen, box, width)
        _points(pen, box, width)
        _name(pen, box, font, photo.height)
    return drawn


def _frame(pen: ImageDraw.ImageDraw, box: Box, width: int) -> None:
    """An outline that shows on light and dark: corners of the box, so turned ones are turned."""
    ring = [*box.corners_px, box.corners_px[0]]
    pen.line(ring, fill=PAPER, width=width + 2, joint="curve")
    pen.line(ring, fill=FOUND, width=width, joint="curve")


def _points(pen: ImageDraw.ImageDraw, box: Box, width: int) -> None:
    """A dot for each key point, which shows on light and dark too."""
    for x, y in box.key_points_px.values():
        for radius, colour in ((2.0 * width, PAPER), (1.5 * width, POINT)):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def _name(
    pen: ImageDraw.ImageDraw, box: Box, font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    height: int,
) -> None:  # fmt: skip
    """Label and score above the box; within it where there is no room above."""
    words = f" {box.label} {box.score:.2f} "
    _, _, wide, high = pen.textbbox((0, 0), words, font=font)
    left = max(0.0, box.x_min_px)
    top = box.y_min_px - high if box.y_min_px >= high else min(box.y_min_px, height - high)
    pen.rectangle((left, top, left + wide, top + high), fill=FOUND)
    pen.text((left, top), words, fill=PAPER, font=font)


def heated(photo: Image.Image, scores: ScoreMap) -> Image.Image:
    """The photo in grey, over it the first label's scores from yellow to red."""
    step = len(scores.labels)
    values = bytes(round(255 * min(1.0, max(0.0, score))) for score in scores.scores[::step])
    small = Image.frombytes("L", (scores.column_count, scores.row_count), values)
    # Where the corners of the photo lie on the map, in cells.
    left = 0.5 - scores.start_x_px / scores.step_x_px
    top = 0.5 - scores.start_y_px / scores.step_y_px
    across, down = 1 / scores.step_x_px, 1 / scores.step_y_px
    level = small.transform(
        photo.size,
        Image.Transform.AFFINE,
        (across, 0, left, 0, down, top),
        resample=Image.Resampling.BILINEAR,
    )
    colours = ImageOps.colorize(level, WARM, HOT)
    cover = level.point([round(min(STRONGEST, 1.4 * value)) for value in range(256)])
    return Image.composite(colours, photo.convert("L").convert("RGB"), cover)


def cut(photo: Image.Image, box: Box) -> Image.Image:
    """What lies within a box, at least a pixel of it."""
    left, top = int(box.x_min_px), int(box.y_min_px)
    right, bottom = round(box.x_max_px), round(box.y_max_px)
    return photo.crop((left, top, max(left + 1, right), max(top + 1, bottom)))


def save(picture: Image.Image, path: Path) -> None:
    """A JPEG, whole or not at all, in a new folder if need be; OSError names it."""
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(part, "JPEG", quality=QUALITY)
        part.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        part.unlink(missing_ok=True)
