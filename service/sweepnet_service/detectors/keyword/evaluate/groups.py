"""What recordings have in common: voice or session, kind of negative, source, sex, age, accent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sweepnet_service.detectors.keyword.conditions import identity
from sweepnet_service.detectors.keyword.dataset import OWN, Recording
from sweepnet_service.detectors.keyword.folds import voice

SILENCE = "silence"
READ, ACCENTED, TALK = "read speech", "accented read speech", "conversation and orders"
WORDS, MUSIC, NOISE, OTHER = "single words and phrases", "music", "noise", "other speech"
OWN_KIND = "your recordings"
KINDS = (READ, ACCENTED, TALK, WORDS, OTHER, OWN_KIND, MUSIC, NOISE, SILENCE)
"""In the order in which they are told."""
OF_CORPUS = {
    "librispeech": READ,
    "ljspeech": READ,
    "vctk": READ,
    "speechocean762": ACCENTED,
    "confuser_sentences": ACCENTED,
    "ami": TALK,
    "picovoice-sti": TALK,
    OWN: OWN_KIND,
}
FEW_WORDS = 3
NOT_TOLD = "not told"


def group_of(recording: Recording) -> str:
    """Whose errors go together: the session, else the voice, else the recording alone."""
    return recording.session or voice(recording) or identity(recording)


def described(recordings: Sequence[Recording]) -> list[Recording]:
    """The same; where one tells nothing of its voice, what others of the same voice tell."""
    known = {voice(row): row for row in recordings if row.speaker and row.sex}
    return [
        replace(row, sex=told.sex, age=told.age, accent=told.accent)
        if row.speaker and not row.sex and (told := known.get(voice(row)))
        else row
        for row in recordings
    ]


def kind_of_speech(recording: Recording) -> str:
    """What kind of negative a recording of speech is."""
    known = OF_CORPUS.get(recording.corpus)
    return known or (WORDS if 0 < len(recording.words) <= FEW_WORDS else OTHER)


def kind_of_noise(recording: Recording) -> str:
    """What kind of negative a recording without speech is."""
    if recording.corpus == SILENCE:
        return SILENCE
    return MUSIC if recording.corpus.startswith("music") else NOISE


def source_of(recording: Recording) -> str:
    """Where a recording comes from: the repository, else the corpus."""
    if recording.corpus == OWN:
        return OWN_KIND
    return "/".join(recording.source.split("/")[:2]) or recording.corpus


def sex_of(recording: Recording) -> str:
    return {"f": "female", "m": "male"}.get(recording.sex, recording.sex) or NOT_TOLD


def age_of(recording: Recording) -> str:
    """The age as a band of years."""
    if not recording.age.isdigit():
        return recording.age or NOT_TOLD
    bands = ((12, "0 to 11"), (18, "12 to 17"), (40, "18 to 39"))
    return next((name for past, name in bands if int(recording.age) < past), "40 and over")


def accent_of(recording: Recording) -> str:
    return recording.accent or NOT_TOLD


ATTRIBUTES: Mapping[str, Callable[[Recording], str]] = {
    "source": source_of,
    "sex": sex_of,
    "age": age_of,
    "accent": accent_of,
}
