"""PocketSphinx in keyphrase mode as an engine of `sweepnet bench`."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from pocketsphinx import Decoder

from cnn_core.arrays import Array
from sweepnet_service.detectors.keyword.bench import Detection, pcm16

FRAME_S = 0.01
LOOSEST = 1e-60
SAID = {"snowboy": "S N OW B OY"}
"""Words that its dictionary lacks, as phones."""
# Its scores are whole numbers of ln(1.0001), shifted right by 10 bits, less 1500 in what it tells.
UNIT, SHIFT, OFFSET = math.log(1.0001), 1 << 10, 1500


class PocketSphinx:
    """Any word of its dictionary, swept over `kws_threshold`.

    It is run once, at the loosest threshold; a detection counts at every threshold that its own
    score reaches.
    """

    name = f"PocketSphinx {version('pocketsphinx')}"
    rate_hz = 16_000
    settings = (1e-60, 1e-50, 1e-45, 1e-40, 1e-35, 1e-30, 1e-25, 1e-20, 1e-15, 1e-10, 1e-5)

    def __init__(self, words: Sequence[str]) -> None:
        self._decoder = Decoder(lm=None, loglevel="FATAL")
        for word in set(words) & set(SAID):
            self._decoder.add_word(word, SAID[word], update=True)
        self.words = [word for word in words if self._decoder.lookup_word(word)]
        with tempfile.TemporaryDirectory() as folder:
            phrases = Path(folder) / "phrases"
            phrases.write_text("".join(f"{word} /{LOOSEST}/\n" for word in self.words))
            self._decoder.add_kws("words", str(phrases))
        self._decoder.activate_search("words")
        self._level = self._decoder.get_cmn(False)

    def hear(self, samples: Array, settings: Sequence[float]) -> list[list[Detection]]:
        self._decoder.set_cmn(self._level)
        self._decoder.start_stream()
        self._decoder.start_utt()
        self._decoder.process_raw(pcm16(samples).tobytes(), no_search=False, full_utt=False)
        self._decoder.end_utt()
        told = [
            (Detection(each.word.strip(), each.end_frame * FRAME_S), log_score(each.prob))
            for each in self._decoder.seg() or ()
        ]
        return [[found for found, score in told if score >= math.log(s)] for s in settings]


def log_score(told: float) -> float:
    """The natural logarithm that `kws_threshold` is compared with, from what a segment tells."""
    return (math.log(told) / UNIT + OFFSET) * SHIFT * UNIT
