"""Comparisons in the database: what was measured of one version against another."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from sweepnet_service.records.database import Database
from sweepnet_service.records.tables import COMPARISONS


class ComparisonRecords:
    """All comparisons; of one pair the last one counts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, candidate: str, baseline: str, told: Mapping[str, Any]) -> None:
        """Keep what `Comparison.to_json` told of two versions."""
        values = {
            "created_s": time.time(),
            "candidate": candidate,
            "baseline": baseline,
            "data_set": told["data_set"],
            "worse": told["worse"],
            "figures": told["figures"],
        }
        with self._database.begin() as connection:
            connection.execute(COMPARISONS.insert().values(values))

    def objection(self, candidate: str, baseline: str) -> str:
        """Why the candidate must not take the baseline's place; "" where nothing speaks against."""
        pair = (COMPARISONS.c.candidate == candidate) & (COMPARISONS.c.baseline == baseline)
        last = select(COMPARISONS).where(pair).order_by(COMPARISONS.c.id.desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(last).first()
        if row is None or not row.worse:
            return ""
        return "; ".join(map(_told, (each for each in row.figures if each["worse"])))


def _told(figure: Mapping[str, Any]) -> str:
    return (
        f"{figure['figure']} of {figure['label']} {figure['candidate']:.3g}, there "
        f"{figure['baseline']:.3g} (difference {figure['difference_low']:.3g} to "
        f"{figure['difference_high']:.3g})"
    )
