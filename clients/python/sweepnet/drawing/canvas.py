"""What all pictures share: colours, axes, heat over a photo, writing a file."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from PIL import Image

from sweepnet import Area, Box, ScoreMap

INK = "#1b1f2a"
FAINT = "#8a90a0"
FOUND = "#00a087"
LINE = "#3b4cc0"
ALERT = "#e4572e"
# Transparent where nothing is, then yellow to red.
HEAT = LinearSegmentedColormap.from_list(
    "heat",
    [(1.0, 0.95, 0.4, 0.0), (1.0, 0.85, 0.2, 0.45), (1.0, 0.45, 0.1, 0.7), (0.9, 0.05, 0.1, 0.85)],
)


def plain(axes: Axes) -> None:
    """No more lines than needed."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(colors=FAINT, labelcolor=INK)


def bare(axes: Axes) -> None:
    """No lines at all, as pictures want it."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_frame_on(False)


def title(axes: Axes, text: str, color: str = INK) -> None:
    """Above the axes, at the left."""
    axes.set_title(text, fontsize=13, weight="bold", color=color, loc="left")


def framed(axes: Axes, box: Box) -> None:
    """A found box with its label and score."""
    corner = (box.x_min_px, box.y_min_px)
    width, height = box.x_max_px - box.x_min_px, box.y_max_px - box.y_min_px
    axes.add_patch(Rectangle(corner, width, height, fill=False, ec="white", lw=4.5, alpha=0.55))
    axes.add_patch(Rectangle(corner, width, height, fill=False, ec=FOUND, lw=2.4))
    axes.text(
        box.x_min_px,
        box.y_min_px,
        f" {box.label} {box.score:.2f} ",
        color="white",
        fontsize=11,
        weight="bold",
        va="bottom",
        bbox={"facecolor": FOUND, "edgecolor": "none", "pad": 1.8},
    )


def outlined(axes: Axes, area: Area, style: str, color: str = "white") -> None:
    """An area's edge."""
    corner = (area.x_min_px, area.y_min_px)
    width, height = area.x_max_px - area.x_min_px, area.y_max_px - area.y_min_px
    axes.add_patch(Rectangle(corner, width, height, fill=False, ec=INK, lw=2.6, alpha=0.5))
    axes.add_patch(Rectangle(corner, width, height, fill=False, ec=color, lw=1.6, ls=style))


def heat(axes: Axes, photo: Image.Image, scores: ScoreMap) -> AxesImage:
    """The first label's scores over the photo in grey, each as large as its step."""
    axes.imshow(
        photo.convert("L"), extent=(0, photo.width, photo.height, 0), cmap="gray", alpha=0.85
    )
    left = scores.start_x_px - scores.step_x_px / 2
    top = scores.start_y_px - scores.step_y_px / 2
    extent = (
        left,
        left + scores.step_x_px * scores.column_count,
        top + scores.step_y_px * scores.row_count,
        top,
    )
    return axes.imshow(
        rows_of(scores), extent=extent, cmap=HEAT, vmin=0, vmax=1, interpolation="bilinear"
    )


def rows_of(scores: ScoreMap) -> list[list[float]]:
    """The first label's scores, row by row."""
    step = len(scores.labels)
    width = scores.column_count
    plane = scores.scores[::step]
    return [list(plane[row * width : (row + 1) * width]) for row in range(scores.row_count)]


def save(figure: Figure, path: Path) -> None:
    """Whole or not at all, in a new folder if need be; raises OSError with the file's name."""
    FigureCanvasAgg(figure)
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(part, dpi=110, format="png")
        part.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        part.unlink(missing_ok=True)
