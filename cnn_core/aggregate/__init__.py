"""From the scores of many windows to one answer, forward, backward and as a stream.

| aggregate | value over the windows' scores s |
|---|---|
| `Max` | the largest |
| `Mean` | their mean |
| `SoftmaxMean` | their mean weighted by exp(s / temperature): cold the maximum, hot the mean |
| `LogSumExp` | temperature * log(mean of exp(s / temperature)): a smooth maximum |
| `PNorm` | (mean of abs(s)^p)^(1/p): p = 1 the mean, p without bound the maximum |
| `NoisyOr` | 1 - product of (1 - s): that any window holds it, if windows err independently |
| `Adjacent` | one of these over a layer's outputs: moving mean or median, linear, MLP |

Each works on whole score maps, `vjp(scores, lengths)`: (N, *places, L) -> (N, L) with its
gradient, and on streams, `init` and `step`. One code: the value of a stream after window i is
that of the map of the windows so far, or of the last `horizon` of them.
"""

from __future__ import annotations

from cnn_core.aggregate.adjacent import Adjacent, linear, mlp, moving_mean, moving_median
from cnn_core.aggregate.aggregate import Aggregate, Folded
from cnn_core.aggregate.folds import LogSumExp, Max, Mean, NoisyOr, PNorm, SoftmaxMean
from cnn_core.aggregate.sliding import sliding

__all__ = [
    "Adjacent",
    "Aggregate",
    "Folded",
    "LogSumExp",
    "Max",
    "Mean",
    "NoisyOr",
    "PNorm",
    "SoftmaxMean",
    "linear",
    "mlp",
    "moving_mean",
    "moving_median",
    "sliding",
]
