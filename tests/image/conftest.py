"""A small made-up data set: bright squares on noise, and pictures of noise alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sweepnet_service.detectors.image.config import Phase, Shares, TrainConfig
from sweepnet_service.detectors.image.train import train
from sweepnet_service.progress import Progress

SIDE_PX = 96


def _picture(rng: np.random.Generator) -> tuple[np.ndarray, list[int]]:
    pixels = rng.integers(40, 90, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
    side = int(rng.integers(28, 44))
    x, y = (int(v) for v in rng.integers(4, SIDE_PX - side - 4, 2))
    pixels[y : y + side, x : x + side] = (250, 220, 30)
    return pixels, [x, y, side, side]


def _write(folder: Path, name: str, pixels: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / name)


def make_squares(data: Path, count: int = 4) -> Path:
    """A data folder with `count` pictures of a square and as many of noise, train and val."""
    rng = np.random.default_rng(5)
    for split in ("train", "val"):
        images, annotations = [], []
        for index in range(count):
            pixels, bbox = _picture(rng)
            _write(data / "flowers" / split, f"sq_{index}.png", pixels)
            images.append({"id": index, "file_name": f"sq_{index}.png", "complete": 1})
            annotations.append({"image_id": index, "bbox": bbox, "species": "square"})
            noise = rng.integers(40, 90, (SIDE_PX, SIDE_PX, 3), dtype=np.uint8)
            _write(data / "negatives" / split, f"no_{index}.png", noise)
        content = {"images": images, "annotations": annotations}
        (data / "flowers" / f"{split}.json").write_text(json.dumps(content))
        empty = [{"id": i, "file_name": f"no_{i}.png"} for i in range(count)]
        (data / "negatives" / f"{split}.json").write_text(json.dumps({"images": empty}))
    return data


def tiny_config(data: Path, work: Path, **changes: object) -> TrainConfig:
    """A training of some seconds on the squares."""
    settings: dict[str, object] = {
        "data": data,
        "work_dir": work,
        "out": work / "square.safetensors",
        "label": "square",
        "species": ("square",),
        "aside_share": 0.0,
        "pictures": 8 * 160,
        "batch": 8,
        "phases": (Phase(1.0, SIDE_PX),),
        "shares": Shares(0.7, 0.0, 0.3),
        "late_shares": Shares(0.7, 0.0, 0.3),
        "rate": 5e-3,
        "warmup_steps": 10,
        "average_decay": 0.95,
        "widths": (8, 16, 16, 16, 16),
        "pyramid": 16,
        "checkpoint_every": 1000,
        "detect_size_px": SIDE_PX,
    }
    return TrainConfig(**{**settings, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of squares."""
    return make_squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture
def config(squares: Path, tmp_path: Path) -> TrainConfig:
    """A training on the squares with a folder of its own."""
    return tiny_config(squares, tmp_path)


@pytest.fixture(scope="session")
def square_config(squares: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """The one training that is run to its end."""
    return tiny_config(squares, tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="session")
def trained(square_config: TrainConfig) -> tuple[Path, list[Progress]]:
    """Its model file, and what it told on the way."""
    told: list[Progress] = []
    return train(square_config, told.append), told
