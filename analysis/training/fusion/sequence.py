"""Repeat scans: a network that reads a person's visits in order, beside one that reads the last scan alone.

A visit is what was measured (standardised, and whether it is known) and when. A GRU (Cho et al. 2014) or one
Transformer layer (Vaswani et al. 2017) reads visits from the earliest to the index scan; what it has read is
added to the linear path from the last scan, so that it starts as, and can only add to, the last scan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from analysis.training.fusion.augment import batches
from analysis.training.fusion.early_stopping import keep_best
from analysis.training.fusion.fit import FitPlan, make_optimiser
from analysis.training.fusion.heads import Heads, Levels, Outputs, Targets, loss

Reader = Literal["last-scan", "gru", "transformer"]
READERS: tuple[Reader, ...] = get_args(Reader)
YEARS_SCALE = 5.0
"""Years before the index scan are divided by this."""


@dataclass(frozen=True, slots=True, eq=False)
class Visits:
    """Visits of n people, the index scan last.

    Attributes
    ----------
    values, known : ndarray of float32, (n, visits, predictors)
        Standardised, 0 where unknown; 1 where known.
    years : ndarray of float32, (n, visits)
        0 for the index scan, negative before.
    there : ndarray of bool, (n, visits)
        False for visits that a person does not have; the last is always there.
    """

    values: NDArray[np.float32]
    known: NDArray[np.float32]
    years: NDArray[np.float32]
    there: NDArray[np.bool_]

    def take(self, index: NDArray[np.int_]) -> Visits:
        """The people at `index`."""
        return Visits(self.values[index], self.known[index], self.years[index], self.there[index])


class SequenceNetwork(nn.Module):
    """Visits -> `heads.Outputs`."""

    def __init__(self, reader: Reader, predictors: int, width: int = 24, dropout: float = 0.2) -> None:
        super().__init__()
        self.reader = reader
        self.last = Heads(2 * predictors)
        self.token = nn.Linear(2 * predictors + 1, width)
        self.core: nn.Module | None = None
        if reader == "gru":
            self.core = nn.GRU(width, width, batch_first=True)
        elif reader == "transformer":
            self.core = nn.TransformerEncoderLayer(width, 2, 2 * width, dropout, batch_first=True)
        self.drop = nn.Dropout(dropout)
        self.deep = Heads(width)
        self.levels = Levels()

    def forward(self, values: Tensor, known: Tensor, years: Tensor, there: Tensor) -> Outputs:
        seen = torch.cat([values, 1 - known], dim=2)
        tokens = self.token(torch.cat([seen, years[:, :, None] / YEARS_SCALE], dim=2)) * there[:, :, None]
        if isinstance(self.core, nn.GRU):
            read = self.core(tokens)[0][:, -1]
        elif self.core is not None:
            read = self.core(tokens, src_key_padding_mask=there < 0.5)[:, -1]
        else:
            read = nn.functional.silu(tokens[:, -1])
        outputs: Outputs = self.levels(self.last(seen[:, -1]) + self.deep(self.drop(read)))
        return outputs


def fit_sequence(
    network: SequenceNetwork,
    visits: Visits,
    observed: Targets,
    stopping: NDArray[np.bool_],
    plan: FitPlan,
) -> float:
    """Fit in place, stopped early by the likelihood of the people at `stopping`; gives that likelihood."""
    torch.manual_seed(plan.seed)
    teach, stop = (torch.from_numpy(np.flatnonzero(part)) for part in (~stopping, stopping))
    parts = tensors_of(visits)
    network.levels.start_at(observed.take(teach))
    optimiser = make_optimiser(network, plan)
    rates = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, plan.epochs)

    def judged() -> float:
        network.eval()
        with torch.no_grad():
            outputs = network(*(part[stop] for part in parts))
            return float(loss(outputs, observed.take(stop), plan.osteoporosis_weight))

    def one_pass() -> None:
        for index in batches(teach[torch.randperm(len(teach))], plan.batch):
            optimiser.zero_grad()
            value = loss(
                network(*(part[index] for part in parts)), observed.take(index), plan.osteoporosis_weight
            )
            value.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        rates.step()

    return keep_best(network, one_pass, judged, passes=plan.epochs, patience=plan.patience)


def tensors_of(visits: Visits) -> tuple[Tensor, ...]:
    """Values, known, years and there, as `SequenceNetwork` takes them."""
    arrays = (visits.values, visits.known, visits.years, visits.there.astype(np.float32))
    return tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)


Describe = Callable[[NDArray[np.float64]], tuple[NDArray[np.float32], NDArray[np.float32]]]
"""Raw predictors (rows, p) -> standardised values and known, as `inputs.Standard.apply` gives them."""


def collect_visits(
    people: list[str],
    index_features: NDArray[np.float64],
    *,
    visitors: list[str],
    visit_years: NDArray[np.float64],
    visit_features: NDArray[np.float64],
    describe: Describe,
    most: int = 4,
) -> Visits:
    """Line up earlier visits before the index scan.

    Parameters
    ----------
    people : list of str
        Subjects, with their `index_features` (n, p).
    visitors, visit_years, visit_features
        Subject, years (negative) and predictors (rows, p) of each earlier visit.
    most : int
        Visits kept of a person, the latest ones, the index scan included.
    """
    size, predictors = index_features.shape
    values = np.zeros((size, most, predictors), np.float32)
    known, years = np.zeros_like(values), np.zeros((size, most), np.float32)
    there = np.zeros((size, most), np.bool_)
    values[:, -1], known[:, -1] = describe(index_features)
    there[:, -1] = True
    visit_values, visit_known = describe(visit_features)
    place = {name: row for row, name in enumerate(people)}
    filled = np.ones(size, np.int_)
    for row in np.argsort(-visit_years, kind="stable"):
        person = place.get(visitors[row])
        if person is None or visit_years[row] >= 0 or filled[person] >= most:
            continue
        slot = most - 1 - filled[person]
        values[person, slot], known[person, slot] = visit_values[row], visit_known[row]
        years[person, slot], there[person, slot] = visit_years[row], True
        filled[person] += 1
    return Visits(values, known, years, there)
