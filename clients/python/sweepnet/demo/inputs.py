"""The demo's recording and photos: the real ones where they can be had, else the carried ones."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .announcement import SYNTHETIC, TELEPHONE, Announcement, join
from .debian import PACKAGE, prompts_folder
from .download import Say, Unavailable, kept_in
from .photos import Picture, drawings, photos

ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True)
class Inputs:
    """`lacking` says which real inputs could not be had, and why."""

    announcement: Announcement
    pictures: tuple[Picture, Picture]
    lacking: tuple[str, ...]


def gather(say: Say) -> Inputs:
    """Everything the demo plays and shows; downloads are kept in the user's cache folder."""
    cache = cache_folder()
    announcement, no_prompts = _announcement(cache, say)
    pictures, no_photos = _pictures(cache, say)
    lacking = tuple(reason for reason in (no_prompts, no_photos) if reason is not None)
    return Inputs(announcement, pictures, lacking)


def cache_folder() -> Path:
    """Where downloads stay: SWEEPNET_CACHE, else `sweepnet` in the user's cache folder."""
    own = os.environ.get("SWEEPNET_CACHE")
    shared = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(shared) / "sweepnet"


def _announcement(cache: Path, say: Say) -> tuple[Announcement, str | None]:
    say(f"recording: telephone prompts of Debian's package {PACKAGE} (CC BY-SA 3.0)")
    try:
        with kept_in(cache):
            folder = prompts_folder(cache, say)
    except Unavailable as reason:
        say(f"  cannot be had: {reason}")
        say("  so a synthetic voice (espeak-ng) that the program carries speaks instead")
        synthetic = join(ASSETS, SYNTHETIC, "synthetic speech carried by sweepnet (espeak-ng)")
        return synthetic, f"the telephone prompts cannot be had ({reason})"
    source = f"en_US_f_Allison/dir-welcome.wav and six other prompts of {PACKAGE} (CC BY-SA 3.0)"
    return join(folder, TELEPHONE, source), None


def _pictures(cache: Path, say: Say) -> tuple[tuple[Picture, Picture], str | None]:
    say("photos: flower.jpg and china.jpg, which scikit-learn ships (CC BY 2.0)")
    try:
        with kept_in(cache):
            return photos(cache, say), None
    except Unavailable as reason:
        say(f"  cannot be had: {reason}")
        say("  so two drawn pictures that the program carries are shown instead")
        return drawings(ASSETS), f"the photos cannot be had ({reason})"
