"""The best path of a word through every window, step by step: see cnn_core.layers.wordpath."""

from __future__ import annotations

import numpy as np

from cnn_core.layers.wordpath import NEVER, WordPath, may_skip, spell
from cnn_core.onnx_export.graph import TO_THE_END, Graph


def best_path(graph: Graph, layer: WordPath, x: str) -> str:
    """(N, phones, T) -> (N, 1, T - size + 1): the best spelling's score, `floor` at the least."""
    top = graph.add("ReduceMax", x, graph.integers(1), keepdims=1)
    distance = graph.add("Sub", x, top)
    scores = [_spelling(graph, layer.size, distance, word) for word in layer.spellings]
    best = scores[0] if len(scores) == 1 else graph.add("Max", *scores)
    return graph.add("Max", best, graph.number(layer.floor))


def _spelling(graph: Graph, size: int, distance: str, word: tuple[int, ...]) -> str:
    """The score of the best path of one spelling."""
    states = spell(word)
    cost = graph.add("Gather", distance, graph.constant(states), axis=1)
    skips = graph.constant(may_skip(states)[:, None])
    begin = np.full((len(states), 1), NEVER)
    begin[0] = 0.0
    entry = graph.constant(begin)
    reached, ends = entry, []
    for step in range(size):
        # Window i reads cost i + step: the last of them is size - 1 - step before the end.
        end = step + 1 - size or TO_THE_END
        now = graph.slice(cost, [step], [end], [2])
        if step:
            later = graph.add("Add", _moved(graph, reached, 2), skips)
            reached = graph.add("Max", reached, _moved(graph, reached, 1), later, entry)
        reached = graph.add("Add", reached, now)
        ends.append(graph.slice(reached, [len(states) - 1], [len(states)], [1]))
    return graph.add("Div", graph.add("Max", *ends), graph.number(len(word)))


def _moved(graph: Graph, values: str, by: int) -> str:
    """Values moved `by` states on, NEVER moving in."""
    padded = graph.add(
        "Pad", values, graph.integers(0, by, 0, 0, 0, 0), graph.number(NEVER), mode="constant"
    )
    return graph.slice(padded, [0], [-by], [1])
