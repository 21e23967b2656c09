"""Words from no recordings and from twenty: heads on a fold's frozen phone trunk, and beside them
the words' own phones, read off its output.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cache

from learning import TRUNK, phones_of, says_any, spectral_of, trunk_path
from material import WORDS, Material
from sources import RECIPE as SOURCES
from sources import Trunk, other_sound, words_of

from cnn_core.arrays import Array
from cnn_core.fold import fold as folded
from cnn_core.layers import Conv1d, Sequential
from cnn_core.modelfile import write_whole
from sweepnet_service.detectors.keyword.assembly import Pieces, assemble
from sweepnet_service.detectors.keyword.head import Examples, HeadSettings, kept_head
from sweepnet_service.detectors.keyword.phones import mean_length, spellings_of
from sweepnet_service.detectors.keyword.spelled import weight_for
from sweepnet_service.detectors.keyword.trunks.reading import Reading, fitted_reading

HEAD = HeadSettings(steps=150, rounds=3, batch_positive=24, batch_negative=72)
KINDS = {"no recordings": 0, "20 recordings": 20}
HEADS = {"no recordings": 4, "20 recordings": 2}
"""Of which the mean is taken: what chance does to one is large where nobody was recorded."""
LABELS = tuple(f"{word}, {kind}" for kind in KINDS for word in WORDS)
RECIPE = (HEAD, HEADS, SOURCES)


def words_on_trunk(material: Material, fold: int) -> Sequential:
    """One network, (N, T, bands) -> scores (N, T', labels), of each word in each kind."""
    trunk = trunk_of(material, fold)
    other = list(other_sound(material, trunk))
    reading = reading_of(material, trunk)
    return assemble(
        *(
            pieces_of(material, trunk, reading, other, word, kind)
            for kind in KINDS
            for word in WORDS
        )
    )


def pieces_of(
    material: Material,
    trunk: Trunk,
    reading: Reading | None,
    other: Sequence[Array],
    word: str,
    kind: str,
) -> Pieces:
    """What one label is made of: heads, and the word's phones with a weight by rule."""
    spellings = spellings_of(word)
    weight = weight_for(reading, mean_length(spellings))
    heads = kept_heads(material, trunk, other, word, kind)
    return Pieces(trunk.body, trunk.phones, heads, spellings, weight)


def trunk_of(material: Material, fold: int) -> Trunk:
    """The frozen trunk of a fold, whose batch norms are part of its convolutions."""
    net = folded(phones_of(material, fold))
    assert isinstance(net, Sequential)
    *body, output = net.layers
    assert isinstance(output, Conv1d)
    kept = trunk_path(material, fold, TRUNK.epochs).read_bytes()
    version = hashlib.sha256(kept).hexdigest()[:8]
    return Trunk(fold, version, Sequential(tuple(body)), output, spectral_of(material, fold)[0])


def reading_of(material: Material, trunk: Trunk) -> Reading | None:
    """What other words tell of a trunk's phones, read in sentences by readers it never heard."""
    path = material.work / f"reading-{trunk.fold}-{trunk.version}.json"
    if not path.exists():
        held = material.held_out(trunk.fold)
        rows = [row for row in held if row.text and not says_any(row)]
        found = fitted_reading(trunk.net, material.features, rows, material.report)
        write_whole(path, json.dumps(found.to_dict() if found else None).encode())
    told = json.loads(path.read_text())
    return Reading.from_dict(told) if told else None


def kept_heads(
    material: Material, trunk: Trunk, other: Sequence[Array], word: str, kind: str
) -> tuple[Sequential, ...]:
    """The heads of a word, each kept in the work folder once it is trained."""
    sources = hashlib.sha256(repr(SOURCES).encode()).hexdigest()[:8]
    name = f"head-{word}-{KINDS[kind]}-{trunk.fold}-{trunk.version}-{sources}"

    @cache
    def known() -> Examples:
        return Examples(list(words_of(material, trunk, word, KINDS[kind])), other)

    return tuple(
        kept_head(
            material.work / f"{name}-{number}.safetensors",
            known,
            HEAD.of_mean(number),
            material.report,
        )
        for number in range(HEADS[kind])
    )
