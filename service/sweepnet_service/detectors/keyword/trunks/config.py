"""How a phone trunk is made and from what, checked before any work is done."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cnn_core.fit.digest import digest
from sweepnet_service.detectors.keyword.dataset import Recording
from sweepnet_service.detectors.keyword.frontend import FRONT_ENDS, FrontEnd
from sweepnet_service.detectors.keyword.measures import key_of
from sweepnet_service.detectors.keyword.speaking import engines
from sweepnet_service.detectors.keyword.trunk import TrunkSettings
from sweepnet_service.detectors.keyword.trunk_source import features_of, taken_trunk
from sweepnet_service.detectors.numbers import check_numbers
from sweepnet_service.errors import InvalidInput, shown

DECIDING = ("data", "start_from", "synthesize", "trunk_copies", "features")
"""Settings that the stages kept in the work folder depend on; more epochs go on from there."""


@dataclass(frozen=True)
class TrunkConfig:
    """`data`: any data set whose recordings have a text (see `intake`). `start_from`: a model whose
    trunk's weights are the first ones. `synthesize`: how many of the texts programs speak besides.
    `notes` go into the card.
    """

    data: Path
    out: Path
    work_dir: Path
    start_from: Path | None = None
    synthesize: int = 0
    trunk_copies: int = 4
    features: str = ""
    settings: TrunkSettings = field(default_factory=TrunkSettings)
    notes: tuple[str, ...] = ()

    @property
    def front(self) -> FrontEnd:
        """What the trunk is fed by: what it was fed by before, else as named."""
        if self.start_from is not None:
            return features_of(self.start_from)
        return FRONT_ENDS[self.features or "log-mel"]()


def check(config: TrunkConfig) -> None:
    """Raises InvalidInput for a configuration that cannot work."""
    check_numbers(config)
    if config.features not in ("", *FRONT_ENDS):
        raise InvalidInput(
            "features", f"got {shown(config.features)}; expected {' or '.join(FRONT_ENDS)}"
        )
    if config.start_from is not None:
        taken_trunk(config.start_from)
        if config.features and not isinstance(config.front, FRONT_ENDS[config.features]):
            raise InvalidInput(
                "features",
                f"got {config.features!r}, which {config.start_from} was not trained on; leave it "
                "out, or begin anew (without start_from)",
            )
    if config.synthesize:
        engines()


def deciding(config: TrunkConfig, own: Sequence[Recording] = ()) -> dict[str, str]:
    """What the stages in the work folder depend on; `own`: the recordings of a user's data set,
    whose kept copies would meet the texts of others where it changed.
    """
    named = {name: str(getattr(config, name)) for name in DECIDING}
    if config.start_from is not None:
        version = hashlib.sha256(config.start_from.read_bytes()).hexdigest()[:16]
        named["start_from"] = f"{config.start_from.name}, version {version}"
    settings = {name: str(value) for name, value in asdict(config.settings).items()}
    if own:
        named["recordings"] = digest([(*key_of(row), row.text, row.split) for row in own])
    return {**named, **{name: settings[name] for name in settings if name != "epochs"}}
