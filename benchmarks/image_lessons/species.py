"""Each species of flower left out in turn: how well is found what was never seen?

Six trainings from one start (by chance, unless --start-from says otherwise) with one budget: one on
all species, one without each. Both are measured on the val photos of the species left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from lessons import Budget, base, complete_alone, made

from sweepnet_service.detectors.image.config import FLOWER_SPECIES
from sweepnet_service.detectors.image.dataset import Entry, read_listing
from sweepnet_service.detectors.image.evaluate import outcomes
from sweepnet_service.training.comparing import average_precisions

Row = dict[str, object]
TITLE = "flowers, each species left out in turn"


def rows(chosen: argparse.Namespace) -> tuple[list[Row], Row]:
    """One row for each species, and what they come to."""
    budget = Budget(chosen.pictures, chosen.size, chosen.start_from)
    photos = read_listing(chosen.data, "flowers", "val")
    found = [_row(each, photos, chosen, budget) for each in FLOWER_SPECIES]
    drops = [float(str(row["drop"])) for row in found]
    worst = found[int(np.argmax(drops))]
    return found, {
        "mean_drop": round(float(np.mean(drops)), 3),
        "worst": worst["species"],
        "worst_drop": worst["drop"],
    }


def _row(species: str, photos: Sequence[Entry], chosen: argparse.Namespace, budget: Budget) -> Row:
    own = [entry for entry in photos if entry.complete and species in entry.species]
    everything = complete_alone(base(chosen.data, chosen.work, "all", budget))
    without = replace(
        complete_alone(base(chosen.data, chosen.work, f"without_{species}", budget)),
        leave_out_species=(species,),
    )
    seen, unseen = (outcomes(made(config), own)["flower"] for config in (everything, without))
    told = average_precisions("flower", unseen, seen)
    return {
        "species": species,
        "photos": len(own),
        "boxes": sum(len(entry.boxes) for entry in own),
        "ap50_learnt": round(told.baseline, 3),
        "ap50_left_out": round(told.candidate, 3),
        "drop": round(told.baseline - told.candidate, 3),
        "drop_from": round(-told.difference_high, 3) + 0.0,
        "drop_to": round(-told.difference_low, 3) + 0.0,
    }


def arguments(parser: argparse.ArgumentParser) -> None:
    """What it may be told."""
    parser.add_argument("--pictures", type=int, default=24_000, help="budget of each training")
    parser.add_argument("--size", type=int, default=192, help="side of the input, pixels")
    parser.add_argument(
        "--start-from", type=Path, help="work folder or model that has seen none of the species"
    )
