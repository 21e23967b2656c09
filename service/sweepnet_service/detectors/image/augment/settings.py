"""How strongly the views of a training vary."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Augmentation:
    """Ratios are limits of log-uniform draws, 1.6 meaning 1 / 1.6 to 1.6; angles are limits too.

    `turned_share` of the views are turned and sheared, all are scaled, stretched and shifted.
    `zoom_share` of the views of labelled photos are drawn so that one box has `zoom_side` of the
    frame. Boxes of which less than `least_visible`, or less than `least_side_px`, is left in a
    view are neither objects nor background.
    `outline` is what fills a box: of an "ellipse" that is turned the new box is exact, as for
    most things that grow; "corners" keeps all that the box held, which is exact for rectangles.
    Each kind of damage (blur, noise, JPEG, cut-out) meets `damage_share` of the pictures.
    """

    scale_ratio: float = 1.6
    stretch_ratio: float = 1.3
    turned_share: float = 0.5
    turn_deg: float = 25.0
    shear_deg: float = 20.0
    outline: str = "ellipse"
    zoom_share: float = 0.5
    zoom_side: tuple[float, float] = (0.08, 0.9)
    zoom_limits: tuple[float, float] = (1 / 1.6, 3.0)
    mosaic_share: float = 0.3
    mosaic_split: tuple[float, float] = (0.3, 0.7)
    least_visible: float = 0.35
    least_side_px: float = 6.0
    saturation: tuple[float, float] = (0.5, 1.5)
    hue_deg: float = 15.0
    gain: tuple[float, float] = (0.65, 1.35)
    channel_gain: float = 0.12
    offset: float = 0.5
    channel_offset: float = 0.15
    grey_share: float = 0.03
    damage_share: float = 0.1
    blur_px: float = 1.5
    noise: float = 16.0
    jpeg_quality: tuple[int, int] = (20, 80)
    cut_out_side: tuple[float, float] = (0.1, 0.35)


OUTLINES = ("ellipse", "corners")
