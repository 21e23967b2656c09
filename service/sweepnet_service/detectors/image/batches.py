"""Training batches: seed and step alone decide what is drawn, so a resumed run draws alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cnn_core.arrays import Array
from sweepnet_service.errors import InvalidInput

from .augment import (
    Sample,
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
    load,
    read_listing,
    read_listing_if_any,
    set_aside,
    without_sources,
)
from .plain import plain_picture
from .targets import Targets, targets_of


@dataclass(frozen=True)
class Pool:
    """The photos of a training, decoded, by what can be learned from them."""

    complete: tuple[Photo, ...]
    incomplete: tuple[Photo, ...]
    negative: tuple[Photo, ...]

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
    """The entries to learn from, and those kept aside to choose thresholds on."""

    learn: tuple[Entry, ...]
    aside: tuple[Entry, ...]


def material(config: TrainConfig) -> Material:
    """Lists the training data; incompletely labelled photos are never set aside."""
    entries = read_listing(config.data, config.objects, "train")
    entries += read_listing_if_any(config.data, config.negatives, "train")
    entries = without_sources(entries, config.leave_out_sources)
    if not any(len(entry.boxes) for entry in entries):
        raise InvalidInput(config.objects, "no picture with a box; expected labelled pictures")
    complete = [entry for entry in entries if entry.complete]
    learn, aside = set_aside(complete, config.aside_share)
    return Material(learn + tuple(e for e in entries if not e.complete), aside)


def pool(
    entries: Sequence[Entry],
    species: tuple[str, ...],
    complete: Callable[[Photo], Photo] = lambda photo: photo,
) -> Pool:
    """Decode every entry once: about 0.3 MB of memory each; `complete` may label further objects
    in the incomplete ones."""
    photos = [load(entry, species) for entry in entries]
    labelled = [photo for photo in photos if len(photo.boxes)]
    return Pool(
        complete=tuple(photo for photo in labelled if photo.complete),
        incomplete=tuple(complete(photo) for photo in labelled if not photo.complete),
        negative=tuple(photo for photo in photos if not len(photo.boxes) and photo.complete),
    )


@dataclass(frozen=True)
class Batch:
    """inputs (N, S, S, 3) normalised, with their targets."""

    inputs: Array
    targets: Targets


def batch(photos: Pool, config: TrainConfig, step: int, part: int = 0) -> Batch:
    """A part of the batch of a step, of `config.part_sizes`."""
    rng, done = np.random.default_rng((config.seed, step, part)), step / config.steps
    samples = [sample(photos, rng, config, done) for _ in range(config.part_sizes[part])]
    inputs = [coloured(s.pixels, *draw_colour(rng, config.augmentation)) for s in samples]
    return Batch(np.stack(inputs), targets_of(samples))


def sample(photos: Pool, rng: np.random.Generator, config: TrainConfig, done: float) -> Sample:
    """One random training picture at the share `done` of the training."""
    size = config.size_px(done)
    shares = config.shares if done < config.late_from else config.late_shares
    settings = config.augmentation
    if done < config.mosaic_until and rng.random() < settings.mosaic_share:
        seen = mosaic(lambda: _drawn(photos, rng, shares, config), rng, size, settings)
    else:
        photo = _drawn(photos, rng, shares, config)
        seen = see(photo, draw_view(rng, photo, size, size, settings), settings)
    return damaged(rng, seen, settings)


def _drawn(photos: Pool, rng: np.random.Generator, shares: Shares, config: TrainConfig) -> Photo:
    """A photo, or now and then, in a negative's place, what shows as little: a part of another
    photo between its objects, or a picture of nothing."""
    photo = photos.draw(rng, shares)
    if len(photo.boxes) or not photo.complete:
        return photo
    if config.free_share and photos.complete and rng.random() < config.free_share:
        among = photos.complete
        return free_crop(rng, among[rng.integers(len(among))]) or photo
    if config.plain_share and rng.random() < config.plain_share:
        return plain_picture(rng)
    return photo
