"""Early stopping: the best pass is kept, and patience ends what no longer improves."""

from __future__ import annotations

import copy
from collections.abc import Callable

from torch import nn

LEAST_GAIN = 1e-5
"""A pass counts as better only if it lowers the loss by more: rounding is no progress."""


def keep_best(
    module: nn.Module,
    one_pass: Callable[[], None],
    judged: Callable[[], float],
    *,
    passes: int,
    patience: int,
) -> float:
    """Train until the passes or the patience are over.

    Parameters
    ----------
    module : torch.nn.Module
        Left in evaluation mode with the weights of its best pass, which may be none.
    one_pass : callable
        Goes through the teaching part once.
    judged : callable
        Loss on the part that stops; lower is better.
    passes : int
    patience : int
        Passes without a gain that are borne.

    Returns
    -------
    float
        Loss of the weights that were kept.
    """
    best, kept, waited = judged(), copy.deepcopy(module.state_dict()), 0
    for _ in range(passes):
        module.train()
        one_pass()
        now = judged()
        if now < best - LEAST_GAIN:
            best, kept, waited = now, copy.deepcopy(module.state_dict()), 0
            continue
        waited += 1
        if waited >= patience:
            break
    module.load_state_dict(kept)
    module.eval()
    return best
