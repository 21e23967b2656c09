"""Training batches: seed and step alone decide what is drawn, so a resumed run draws alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from cnn_core.arrays import Array
from sweepnet_service.errors import InvalidInput

from .augment import (
    Sample,
    close_crop,
    coloured,
    damaged,
    draw_colour,
    draw_view,
    free_crop,
    mosaic,
    see,
)
from .config import Shares, TrainConfig
from .dataset import (
    Entry,
    Photo,
    check_label,
    labelled,
    load,
    names_of,
    read_listing,
    read_listing_if_any,
    set_aside,
    without_sources,
)
from .detector import ImageDetector
from .hard import Hard, mined
from .layout import BOX, PLAIN, POINTS, PRESENCE, Layout
from .plain import plain_picture
from .presence import Present, present_of
from .targets import Targets, targets_of


@dataclass(frozen=True)
class Pool:
    """The photos of a training, decoded, by what can be learned from them."""

    complete: tuple[Photo, ...]
    incomplete: tuple[Photo, ...]
    negative: tuple[Photo, ...]
    layout: Layout = PLAIN
    hard: Hard = field(default_factory=Hard)
    """Of the negatives, and of what surrounds objects, what looks most like one."""

    def draw(self, rng: np.random.Generator, shares: Shares) -> Photo:
        """A photo of a random group (empty groups do not take part)."""
        groups = (self.complete, self.incomplete, self.negative)
        weights = (shares.complete, shares.incomplete, shares.negative)
        places = [w if group else 0.0 for w, group in zip(weights, groups, strict=True)]
        chosen = np.searchsorted(np.cumsum(places), rng.random() * sum(places), side="right")
        group = groups[min(int(chosen), 2)]
        return group[rng.integers(len(group))]


@dataclass(frozen=True)
class Material:
    """The entries to learn from, and those kept aside to choose thresholds on; what is learnt, and
    where each key point stands in a mirror, if the data says it. `few_false`: a folder of pictures
    without objects stands beside the labelled ones, for a world that has more of them."""

    learn: tuple[Entry, ...]
    aside: tuple[Entry, ...]
    labels: tuple[str, ...]
    layout: Layout
    flips: tuple[int, ...] = ()
    few_false: bool = False


def material(config: TrainConfig) -> Material:
    """Lists the training data; incompletely labelled photos are never set aside."""
    entries = read_listing(config.data, config.objects, "train")
    negatives = read_listing_if_any(config.data, config.negatives, "train")
    entries += negatives
    entries = without_sources(entries, config.leave_out_sources)
    left_out = set(config.leave_out_species)
    entries = tuple(entry for entry in entries if not left_out.intersection(entry.species))
    if not any(len(entry.boxes) for entry in entries):
        raise InvalidInput(config.objects, "no picture with a box; expected labelled pictures")
    names = names_of(entries)
    if config.label:
        check_label(config.label, names)
        names = (config.label,)
    labels = names or (config.out.stem,)
    entries = labelled(entries, labels)
    complete = [entry for entry in entries if entry.complete]
    learn, aside = set_aside(complete, config.aside_share)
    learn += tuple(entry for entry in entries if not entry.complete)
    layout = _layout(config, entries, len(labels))
    flips = next((e.marks.flips for e in entries if e.marks.flips and layout.point_names), ())
    return Material(learn, aside, labels, layout, flips, bool(negatives))


def _layout(config: TrainConfig, entries: Sequence[Entry], labels: int) -> Layout:
    """What is told of each object; raises InvalidInput for what the data does not hold."""
    whole = any(entry.whole for entry in entries)
    named = next((e.marks.point_names for e in entries if e.marks.point_names), ())
    shape = config.shape or (PRESENCE if whole else BOX)
    if whole and shape != PRESENCE:
        raise InvalidInput(
            "settings.shape", f"got {shape!r}, and folders of pictures without boxes; expected "
            f"{PRESENCE!r}, or labels with boxes"
        )  # fmt: skip
    if shape == POINTS and not named:
        raise InvalidInput(
            "settings.shape", f"got {shape!r}, and data without key points; expected some (COCO's "
            "keypoints, or YOLO's kpt_shape)"
        )  # fmt: skip
    return Layout(labels, shape, named if shape == POINTS else ())


def pool(
    entries: Sequence[Entry],
    species: tuple[str, ...],
    complete: Callable[[Photo], Photo] = lambda photo: photo,
    layout: Layout = PLAIN,
) -> Pool:
    """Decode every entry once: about 0.3 MB of memory each; `complete` may label further objects
    in the incomplete ones."""
    photos = [load(entry, species, layout.shape) for entry in entries]
    labelled = [photo for photo in photos if len(photo.boxes)]
    return Pool(
        complete=tuple(photo for photo in labelled if photo.complete),
        incomplete=tuple(complete(photo) for photo in labelled if not photo.complete),
        negative=tuple(photo for photo in photos if not len(photo.boxes) and photo.complete),
        layout=layout,
    )


def with_hard(photos: Pool, config: TrainConfig) -> Pool:
    """The photos, and which negatives the teacher takes for objects, where they are asked for."""
    if config.teacher is None or not config.hard_share:
        return photos
    teacher = ImageDetector.load(config.teacher)
    hard = mined(teacher, photos.complete, photos.negative, config.sure, config.seed)
    return replace(photos, hard=hard)


@dataclass(frozen=True)
class Batch:
    """inputs (N, S, S, 3) normalised, with their targets."""

    inputs: Array
    targets: Targets | Present


def batch(photos: Pool, config: TrainConfig, step: int, part: int = 0) -> Batch:
    """A part of the batch of a step, of `config.part_sizes`."""
    rng, done = np.random.default_rng((config.seed, step, part)), step / config.steps
    samples = [sample(photos, rng, config, done) for _ in range(config.part_sizes[part])]
    inputs = [coloured(s.pixels, *draw_colour(rng, config.augmentation)) for s in samples]
    layout = photos.layout
    if layout.shape == PRESENCE:
        return Batch(np.stack(inputs), present_of(samples, layout.labels))
    return Batch(np.stack(inputs), targets_of(samples, layout))


def sample(photos: Pool, rng: np.random.Generator, config: TrainConfig, done: float) -> Sample:
    """One random training picture at the share `done` of the training."""
    size = config.size_px(done)
    shares = config.shares if done < config.late_from else config.late_shares
    settings = config.augmentation
    if done < config.mosaic_until and rng.random() < settings.mosaic_share:
        drawn = partial(_drawn, photos, rng, shares, config)
        seen = mosaic(drawn, rng, size, settings, photos.layout.shape)
    else:
        photo = _drawn(photos, rng, shares, config)
        view = draw_view(rng, photo, size, size, settings)
        seen = see(photo, view, settings, photos.layout.shape)
    return damaged(rng, seen, settings)


def _drawn(photos: Pool, rng: np.random.Generator, shares: Shares, config: TrainConfig) -> Photo:
    """A photo, or now and then, in a negative's place, what shows as little: a part of another
    photo between its objects, or a picture of nothing."""
    photo = photos.draw(rng, shares)
    if len(photo.boxes) or not photo.complete:
        close = config.close_share and rng.random() < config.close_share
        return close_crop(rng, photo, config.augmentation) if close else photo
    if photos.hard.photos and rng.random() < config.hard_share:
        return photos.hard.draw(rng)
    if config.free_share and photos.complete and rng.random() < config.free_share:
        among = photos.complete
        return free_crop(rng, among[rng.integers(len(among))]) or photo
    if config.plain_share and rng.random() < config.plain_share:
        return plain_picture(rng)
    return photo
