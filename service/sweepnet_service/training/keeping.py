"""Where trainings keep what they know: the records and the data sets, opened when first needed."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sweepnet_service.errors import FailedPrecondition
from sweepnet_service.training.places import PLACES, place_of

if TYPE_CHECKING:
    from sweepnet_service.records import Database
    from sweepnet_service.records.data_sets import DataSets

RECORDS = Path(PLACES) / "records.sqlite"
GIB = 1 << 30


@dataclass
class Keeping:
    """The database at `url`, or in the folder of models; data sets in the folder `data_sets`.

    A folder that is only served from is not written to.
    """

    models: Path | None
    url: str = ""
    data_sets: Path | None = None
    most_bytes: int = 16 * GIB
    _database: Database | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def empty(self) -> bool:
        """Whether nothing was ever kept."""
        if self._database is not None or self.url:
            return False
        return self.models is None or not (self.models / RECORDS).exists()

    @property
    def database(self) -> Database:
        """The records; raises FailedPrecondition where there is no place for any."""
        with self._lock:
            if self._database is None:
                self._database = self._opened()
            return self._database

    @property
    def sets(self) -> DataSets:
        """The data sets; raises FailedPrecondition where there is no place for any."""
        from sweepnet_service.records.data_sets import DataSets

        if self.data_sets is None:
            raise FailedPrecondition(
                "data_set", "this server keeps no data sets; start it with --data-sets DIR"
            )
        return DataSets(self.data_sets, self.database, self.most_bytes)

    def delete_data_set(self, name: str) -> None:
        """Delete a data set, and what trainings that ended without a model kept of it: they cannot
        go on without.
        """
        for identity in self.sets.delete(name):
            if self.models is not None:
                shutil.rmtree(place_of(self.models, identity), ignore_errors=True)

    def close(self) -> None:
        """Let the database go."""
        if self._database is not None:
            self._database.close()

    def _opened(self) -> Database:
        # A server that trains nothing need not load what the records take.
        from sweepnet_service.records import Database

        if self.url:
            return Database(self.url)
        if self.models is None:
            raise FailedPrecondition(
                "model", "this server has no folder to keep models in; start it with --models DIR"
            )
        return Database.in_folder((self.models / RECORDS).parent)
