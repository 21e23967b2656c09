"""The training loop: a network, examples and a recipe in; the trained network out.

Every random draw depends on the seed and the number of the step alone, so a training that was
killed anywhere goes on from its checkpoint and ends with the same bits.
"""

from cnn_core.fit.loop import Fitted, Progress, fit
from cnn_core.fit.step import advance, batch_gradient
from cnn_core.fit.task import Epoch, State, Task, begin

__all__ = [
    "Epoch",
    "Fitted",
    "Progress",
    "State",
    "Task",
    "advance",
    "batch_gradient",
    "begin",
    "fit",
]
