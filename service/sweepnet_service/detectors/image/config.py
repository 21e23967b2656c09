"""What a training of the detector is told: data, schedule, augmentation, loss."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .augment.settings import Augmentation
from .losses import LossWeights

# Their licence is unstated or doubtful where they were published; see the data's SOURCES.md.
UNCLEAR_SOURCES = (
    "boychaboy/flower_detection_retinanet",
    "ardamavi/Dog-Cat-Classifier",
    "abhay-08121999/Potato-leaf-dataset",
)
FLOWER_SPECIES = ("daisy", "dandelion", "rose", "sunflower", "tulip")


@dataclass(frozen=True)
class Phase:
    """A part of the training, up to `until` (share of the pictures): the input's side in pixels."""

    until: float
    size_px: int


@dataclass(frozen=True)
class Shares:
    """How often a draw is a completely labelled photo, an incompletely labelled one, a negative."""

    complete: float
    incomplete: float
    negative: float


@dataclass(frozen=True)
class TrainConfig:
    """One training, repeatable: the same settings and data give the same weights.

    `data` holds `<objects>/train.json` with its folder and, optionally, `<negatives>/train.json`.
    `label` names the objects; empty, each is found by its own name in the data (the model's name
    where it has none). `shape` says what is told of an object: its upright "box", the corners of
    its "turned" box, a box and its key "points", its "presence" alone; empty, as the data has it.
    `work_dir` keeps the checkpoint; a training begun there is gone on with. `start_from`, the work
    folder of an earlier training or a model's file, gives the first weights instead of chance.
    Photos with an object of `leave_out_species` are not learnt from.
    Of the negatives `hard_share` are what the teacher takes for objects; of the others `free_share`
    are cut from complete photos, between their objects, and then `plain_share` are drawn by chance:
    plain colours and noise. Of the labelled photos `close_share` are parts close round an object.
    `teacher`, an image detector's file, looks for objects without a box in the incomplete photos:
    what it scores `sure` becomes a box, what it scores `doubtful` is ignored, the rest is
    background; without one everything outside the boxes of those photos is ignored.
    The finished detector looks at a picture at `detect_size_px` and at each of `detect_more_px`;
    with `detect_mirrored` in a mirror too, with `detect_fused` the boxes of several sizes are
    merged by their mean, and at most `detect_voters` neighbouring places vote on an object.
    Each batch is cut into `shards` for as many threads; the weights depend on their number.
    """

    data: Path
    work_dir: Path
    out: Path
    label: str = ""
    shape: str = ""
    objects: str = "flowers"
    negatives: str = "negatives"
    species: tuple[str, ...] = FLOWER_SPECIES
    leave_out_sources: tuple[str, ...] = UNCLEAR_SOURCES
    leave_out_species: tuple[str, ...] = ()
    aside_share: float = 0.1
    pictures: int = 136_000
    batch: int = 16
    shards: int = 2
    phases: tuple[Phase, ...] = (Phase(0.65, 192), Phase(1.0, 256))
    shares: Shares = Shares(0.45, 0.20, 0.35)
    late_shares: Shares = Shares(0.59, 0.06, 0.35)
    late_from: float = 0.5
    free_share: float = 0.3
    hard_share: float = 0.0
    close_share: float = 0.0
    plain_share: float = 0.05
    sure: float = 0.5
    doubtful: float = 0.15
    mosaic_until: float = 0.85
    rate: float = 2e-3
    warmup_steps: int = 100
    weight_decay: float = 0.03
    gradient_limit: float = 10.0
    average_decay: float = 0.998
    seed: int = 0
    start_from: Path | None = None
    teacher: Path | None = None
    widths: tuple[int, int, int, int, int] = (16, 32, 64, 96, 128)
    pyramid: int = 64
    checkpoint_every: int = 100
    detect_size_px: int = 256
    detect_more_px: tuple[int, ...] = ()
    detect_mirrored: bool = False
    detect_fused: bool = False
    detect_voters: int = 1
    augmentation: Augmentation = field(default_factory=Augmentation)
    loss: LossWeights = field(default_factory=LossWeights)

    @property
    def steps(self) -> int:
        """Batches in all."""
        return -(-self.pictures // self.batch)

    @property
    def part_sizes(self) -> tuple[int, ...]:
        """Pictures in each part of a batch: as equal as can be, and none empty."""
        parts = min(self.shards, self.batch)
        return tuple(len(range(part, self.batch, parts)) for part in range(parts))

    def size_px(self, done: float) -> int:
        """The input's side when the share `done` of the pictures has been seen."""
        return next((p.size_px for p in self.phases if done < p.until), self.phases[-1].size_px)
