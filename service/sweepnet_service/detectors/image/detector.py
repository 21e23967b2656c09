"""The image detector: a picture in, boxes and a presence score out; immutable, thread-safe."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cnn_core import modelfile
from cnn_core.arrays import Array
from cnn_core.errors import CoreError
from cnn_core.layers import Layer
from sweepnet_service.errors import InvalidInput, ModelUnreadable

from .annotations import in_mirror
from .boxes import LOG_SIDE_LIMIT, SIDE_UNIT_PX, STRIDE_PX
from .explanation import MOST_EXPLAINED, PictureExplanation, explained
from .found import FAINT, Found
from .inputs import GREY, PIXEL_MEAN, PIXEL_SCALE, normalise
from .layout import BOX, MOST_POINTS, POINTS, SHAPES, TURNED, Layout
from .looks import fused, joined
from .mirror import Mirror
from .network import TOTAL_STRIDE_PX
from .pixels import DEFAULT_LIMITS, Picture, PictureLimits, letterboxed, read_picture
from .results import Detections, DetectOptions, OperatingPoint
from .sweep import Sweep, swept
from .voting import MOST_VOTERS

KIND = "image"
PIXELS_VERSION = 1
# A JPEG decoded at a fraction of its size keeps twice the pixels that the network needs.
DRAFT_MARGIN = 2
LARGEST_INPUT_PX = 2048
# The frame of the finest look is a square: 192 MiB, however long and narrow the picture is.
LARGEST_LOOK_PX = 8192
DEFAULTS = DetectOptions()


@dataclass(frozen=True, eq=False)
class ImageDetector:
    """A network with everything that turns its answers into boxes in a picture's own pixels.

    It looks at a picture at `size_px` and at each of `more_sizes_px`; `mirrored`, at each size in
    a mirror too, the answers being the mean of both, for twice the time. Of an object that several
    sizes tell the best box stays; `fused`, the mean of them, weighted by their scores. With several
    `voters` neighbours vote on an object at each size (see `voting`), and presence is the mean of
    as many places. `flips` says which key point stands in the place of each in a mirror, where
    their names do not.
    """

    net: Layer
    labels: tuple[str, ...]
    size_px: int
    operating_points: dict[str, tuple[OperatingPoint, ...]]
    default_thresholds: dict[str, float]
    card: dict[str, Any]
    limits: PictureLimits = DEFAULT_LIMITS
    more_sizes_px: tuple[int, ...] = ()
    shape: str = BOX
    point_names: tuple[str, ...] = ()
    mirrored: bool = False
    fused: bool = False
    flips: tuple[int, ...] = ()
    voters: int = 1

    @classmethod
    def load(cls, path: Path) -> ImageDetector:
        """Read a model file; raises ModelUnreadable."""
        try:
            model = modelfile.load(path)
        except CoreError as error:
            told = str(error).removeprefix(f"{path.name}: ")
            raise ModelUnreadable(path.name, told) from error
        found = cls(net=model.net, **_described(model.description, path.name))
        least = (1, TOTAL_STRIDE_PX, TOTAL_STRIDE_PX, 3)
        try:
            channels = model.net.output_shape(least)[-1]
        except CoreError as error:
            raise ModelUnreadable(
                path.name, f"its network takes no input of shape {least}: {error}"
            ) from error
        if channels != found.layout.channels:
            raise ModelUnreadable(
                path.name,
                f"its network answers with {channels} channels; expected {found.layout.channels} "
                f"for {len(found.labels)} labels and the shape {found.shape!r}",
            )
        return found

    def save(self, path: Path) -> None:
        """Write the model file that `load` reads; it appears whole or not at all."""
        description = {
            "kind": KIND,
            "labels": self.labels,
            "input": input_settings(self.size_px),
            **({"more_sizes_px": self.more_sizes_px} if self.more_sizes_px else {}),
            **({"shape": self.shape} if self.shape != BOX else {}),
            **({"point_names": self.point_names} if self.point_names else {}),
            **({"mirrored": True} if self.mirrored else {}),
            **({"fused": True} if self.fused else {}),
            **({"flips": self.flips} if self.flips else {}),
            **({"voters": self.voters} if self.voters > 1 else {}),
            "default_thresholds": self.default_thresholds,
            "operating_points": {
                label: [vars(point) for point in points]
                for label, points in self.operating_points.items()
            },
            "card": self.card,
        }
        modelfile.save(path, self.net, description)

    @property
    def layout(self) -> Layout:
        """What the channels of the network's map mean."""
        return Layout(len(self.labels), self.shape, self.point_names)

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """One picture as the network takes it: (1, rows, columns, colours)."""
        return (1, self.size_px, self.size_px, 3)

    def detect(
        self, picture: bytes | Path | Picture, options: DetectOptions = DEFAULTS
    ) -> Detections:
        """Boxes and scores of a picture file, given as its bytes or its path, or of pixels.

        Raises InvalidInput, NotFound or LimitExceeded.
        """
        chosen = self._thresholds(options)
        thresholds = np.array([chosen[label] for label in self.labels])
        enough_px = None if options.tile else DRAFT_MARGIN * max(self.sizes_px)
        decoded = (
            picture
            if isinstance(picture, Picture)
            else read_picture(picture, self.limits, enough_px=enough_px)
        )
        looks = [self.sweep(decoded, size) for size in self.looks(decoded, options.tile)]
        found = self._found(looks, thresholds, options)
        first = looks[0]
        return Detections(
            width_px=decoded.width_px,
            height_px=decoded.height_px,
            scores=dict(zip(self.labels, self.presence(looks), strict=True)),
            boxes=found.named(self.labels, self.layout),
            score_map=first.picture_map() if options.score_map else None,
            explanations=self._explained(decoded, first, first.found(thresholds, options))
            if options.explanations
            else (),
        )

    def _found(self, looks: Sequence[Sweep], thresholds: Array, options: DetectOptions) -> Found:
        """What the looks found together; finer ones than the detector's own have no mean."""
        # What a finer look shows larger than any input did is a part of something, if anything.
        pairs = list(zip(looks, [np.inf, *[self.size_px] * (len(looks) - 1)], strict=True))
        own, turned = pairs[: len(self.sizes_px) if self.fused else 0], self.shape == TURNED
        found = [look.found(thresholds, options, most) for look, most in pairs[len(own) :]]
        if own:
            every = replace(options, max_boxes=sys.maxsize)
            faint = [look.found(FAINT, every, most) for look, most in own]
            found.insert(0, fused(faint, thresholds, options, looks[0].letterbox, turned))
        return joined(found, options, turned)

    @property
    def sizes_px(self) -> tuple[int, ...]:
        """Sides of the square that a picture is brought to, one for each look at it."""
        return (self.size_px, *self.more_sizes_px)

    def looks(self, picture: Picture, tile: bool) -> tuple[int, ...]:
        """The sizes at which a picture is looked at: with `tile` also twice, four times, ... as
        fine, up to its own pixels or LARGEST_LOOK_PX of them."""
        sizes = list(self.sizes_px)
        finest = min(LARGEST_LOOK_PX, _whole_strides(max(picture.pixels.shape[:2])))
        while tile and max(sizes) < finest:
            sizes.append(min(2 * max(sizes), finest))
        return tuple(sizes)

    def presence(self, looks: Sequence[Sweep]) -> list[float]:
        """For each label the mean of the looks at the detector's own sizes; more where a finer one
        saw more."""
        own = np.mean([each.presence for each in looks[: len(self.sizes_px)]], axis=0)
        finer = [each.presence for each in looks[len(self.sizes_px) :]]
        return [float(score) for score in np.max([own, *finer], axis=0)]

    def _explained(
        self, picture: Picture, swept: Sweep, found: Found
    ) -> tuple[PictureExplanation, ...]:
        """Why the best boxes were told; of a picture without one, its highest place."""
        inputs = normalise(letterboxed(picture, swept.letterbox, GREY))
        cells, labels = found.cells[:MOST_EXPLAINED], found.labels[:MOST_EXPLAINED]
        if not len(cells):
            cells = swept.highest[None]
            labels = swept.scores[tuple(cells[0])].argmax()[None]
        return tuple(
            explained(
                self.net,
                inputs,
                swept.letterbox,
                (label, self.labels[label]),
                (row, column),
                float(swept.scores[row, column, label]),
                self.mirrored,
            )
            for (row, column), label in zip(cells.tolist(), labels.tolist(), strict=True)
        )

    def sweep(self, picture: Picture, size_px: int | None = None) -> Sweep:
        """The network over the letterboxed picture, and its mirror image where the detector looks
        into one: every position's score and box."""
        mirror = Mirror(self.layout, self.flips or in_mirror(self.point_names))
        return swept(
            self.net,
            picture,
            size_px or self.size_px,
            self.layout,
            mirror if self.mirrored else None,
            self.voters,
        )

    def _thresholds(self, options: DetectOptions) -> dict[str, float]:
        unknown = sorted(set(options.thresholds) - set(self.labels))
        if unknown:
            raise InvalidInput(
                "thresholds", f"got label {unknown[0]!r}; expected one of {list(self.labels)}"
            )
        chosen = {**self.default_thresholds, **options.thresholds}
        for name, value in (*chosen.items(), ("overlap_iou", options.overlap_iou)):
            if not 0 <= value <= 1:
                raise InvalidInput(name, f"got {value}; expected a number from 0 to 1")
        if options.max_boxes < 1:
            raise InvalidInput("max_boxes", f"got {options.max_boxes}; expected at least 1")
        return chosen


def _whole_strides(side_px: int) -> int:
    """The side, a little larger so that the network's strides divide it."""
    return -(-side_px // TOTAL_STRIDE_PX) * TOTAL_STRIDE_PX


def input_settings(size_px: int) -> dict[str, Any]:
    """What a model file says about its pixels and boxes; `load` refuses others."""
    return {
        "size_px": size_px,
        "pixels_version": PIXELS_VERSION,
        "mean": PIXEL_MEAN,
        "scale": PIXEL_SCALE,
        "border": GREY,
        "stride_px": STRIDE_PX,
        "side_unit_px": SIDE_UNIT_PX,
        "log_side_limit": LOG_SIDE_LIMIT,
    }


def _described(description: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The fields of a detector from a file's description, checked."""
    if (kind := description.get("kind")) != KIND:
        raise ModelUnreadable(where, f"got kind {kind!r}; expected {KIND!r}")
    try:
        size = int(description["input"]["size_px"])
        labels = tuple(map(str, description["labels"]))
        points = {
            str(label): tuple(OperatingPoint(**point) for point in points)
            for label, points in description["operating_points"].items()
        }
        thresholds = {str(k): float(v) for k, v in description["default_thresholds"].items()}
        more = tuple(map(int, description.get("more_sizes_px", ())))
        shape = str(description.get("shape", BOX))
        names = tuple(map(str, description.get("point_names", ())))
        flips = tuple(map(int, description.get("flips", ())))
        voters = int(description.get("voters", 1))
        settings, card = description["input"], description["card"]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelUnreadable(where, f"its description lacks something: {error!r}") from error
    if not labels or len({*labels}) < len(labels) or {*thresholds} != {*labels}:
        raise ModelUnreadable(
            where, f"got labels {labels}; expected different ones, each with its threshold"
        )
    if shape not in SHAPES or bool(names) != (shape == POINTS) or len(names) > MOST_POINTS:
        raise ModelUnreadable(
            where, f"got shape {shape!r} with points {names}; expected one of {SHAPES}, and names "
            f"of at most {MOST_POINTS} points for {POINTS!r} alone"
        )  # fmt: skip
    if flips and sorted(flips) != list(range(len(names))):
        raise ModelUnreadable(
            where, f"got flips {list(flips)}; expected each of its {len(names)} points once"
        )
    if not 1 <= voters <= MOST_VOTERS:
        raise ModelUnreadable(where, f"got {voters} voters; expected 1 to {MOST_VOTERS}")
    if settings != input_settings(size):
        raise ModelUnreadable(where, f"got pixels {settings}; expected {input_settings(size)}")
    for side in (size, *more):
        if not 0 < side <= LARGEST_INPUT_PX or side % TOTAL_STRIDE_PX:
            raise ModelUnreadable(
                where, f"got input {side} px; expected a multiple of {TOTAL_STRIDE_PX}"
            )
    return {
        "labels": labels,
        "size_px": size,
        "more_sizes_px": more,
        "shape": shape,
        "point_names": names,
        "mirrored": bool(description.get("mirrored", False)),
        "fused": bool(description.get("fused", False)),
        "flips": flips,
        "voters": voters,
        "operating_points": points,
        "default_thresholds": thresholds,
        "card": dict(card),
    }
