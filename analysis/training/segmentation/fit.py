"""Fitting a network: several processes share every batch and average their gradients.

Two processes of one thread each are faster than one process of two threads on these small maps, and suffer
less from other work on the machine. The same seed, schedule and number of processes give the same weights on
the same machine; another number of processes splits the batches otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import BrokenBarrierError
from typing import Any

import torch
from torch import Tensor, nn

from analysis.segmentation.letterbox import NETWORK_SHAPE
from analysis.training.segmentation.anatomies import Anatomies
from analysis.training.segmentation.losses import loss
from analysis.training.segmentation.networks import build_network
from analysis.training.segmentation.scanner import Scanner

COARSE_SHAPE = (128, 96)
"""Half of the network's resolution, in whole sixteenths, to which the networks shrink their maps."""
PEAK_LEARNING_RATE = 5e-3
WEIGHT_DECAY = 1e-4
LARGEST_GRADIENT = 2.0
NORMALISATION_BATCHES = 24
"""Batches over which the final batch-normalisation statistics are averaged."""
BARRIER_SECONDS = 600.0

Weights = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and on what a network trains.

    Attributes
    ----------
    steps : int
        Optimiser steps.
    coarse_share : float
        Share of the steps at half resolution, which cost a quarter: large shapes first, edges last.
    batch : int
        Pictures per step, over all processes.
    seed : int
    """

    steps: int
    seed: int
    coarse_share: float = 0.5
    batch: int = 16

    def shape(self, step: int) -> tuple[int, int]:
        """Rows and columns of the pictures of a step."""
        return COARSE_SHAPE if step < self.coarse_share * self.steps else NETWORK_SHAPE


Watch = Callable[[int, nn.Module], None]
"""Called after every step with the number of steps done and the network, in the first process."""


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """What to fit: a key of `networks.ARCHITECTURES`, on which anatomies, for how long."""

    architecture: str
    anatomies: Anatomies
    schedule: Schedule


def fit(task: Task, processes: int, watch: Watch) -> nn.Module:
    """Train a network from nothing.

    Parameters
    ----------
    task : Task
    processes : int
        This one and helpers; the schedule's batch must be a multiple of it.
    watch : callable
        Progress and validation; it may put the network into evaluation mode, but must not change it.

    Returns
    -------
    torch.nn.Module
        In evaluation mode.
    """
    from torch import multiprocessing

    context = multiprocessing.get_context("spawn")
    exchange = _Exchange(_parameter_count(task.architecture), processes, context)
    helpers = [
        context.Process(target=_help, args=(task, exchange, rank), daemon=True)
        for rank in range(1, processes)
    ]
    for helper in helpers:
        helper.start()
    try:
        network = _train(task, exchange, 0, watch)
    finally:
        exchange.close()
        for helper in helpers:
            helper.join(timeout=10)
    _settle_normalisation(network, task)
    return network


class _Exchange:
    """Shared memory in which the processes leave their gradients and read the mean of all."""

    def __init__(self, parameters: int, processes: int, context: Any) -> None:
        self.processes = processes
        # two pages in turn: a fast process may write the next step's while a slow one reads this one's
        self.pages = torch.zeros(2, processes, parameters)
        self.pages.share_memory_()  # type: ignore[no-untyped-call]
        self.barrier = context.Barrier(processes)

    def average(self, step: int, rank: int, parameters: list[nn.Parameter]) -> None:
        """Replace the gradients of `parameters` by their mean over all processes."""
        page = self.pages[step % 2]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        page[rank] = torch.cat([gradient.flatten() for gradient in gradients])
        self.barrier.wait(BARRIER_SECONDS)
        mean = page.mean(dim=0)
        for gradient, part in zip(gradients, torch.split(mean, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def close(self) -> None:
        """Release helpers that wait for a step that will not come."""
        self.barrier.abort()


def _help(task: Task, exchange: _Exchange, rank: int) -> None:
    try:
        _train(task, exchange, rank, lambda step, network: None)
    except BrokenBarrierError:
        return  # the first process has stopped
    except BaseException:
        exchange.close()  # do not let the others wait
        raise


def _train(task: Task, exchange: _Exchange, rank: int, watch: Watch) -> nn.Module:
    schedule = task.schedule
    torch.set_num_threads(1)
    torch.manual_seed(schedule.seed)  # the same first weights in every process
    network = build_network(task.architecture)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    parameters = list(network.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=PEAK_LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, PEAK_LEARNING_RATE, total_steps=schedule.steps, pct_start=0.15, final_div_factor=1e3
    )
    scanner = Scanner(task.anatomies, schedule.seed * 100 + rank)
    share = schedule.batch // exchange.processes
    for step in range(schedule.steps):
        network.train()
        batch = scanner.scan(share, schedule.shape(step))
        optimiser.zero_grad()
        classes, landmarks = network(batch.image.contiguous(memory_format=torch.channels_last))
        loss(classes, landmarks, batch).backward()  # type: ignore[no-untyped-call]
        exchange.average(step, rank, parameters)
        nn.utils.clip_grad_norm_(parameters, LARGEST_GRADIENT)
        optimiser.step()
        rate.step()
        watch(step + 1, network)
    return network


def _settle_normalisation(network: nn.Module, task: Task) -> None:
    """Average batch statistics over fresh pictures of the final size with the final weights."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # cumulative average
    schedule = task.schedule
    scanner = Scanner(task.anatomies, schedule.seed - 1)
    network.train()
    with torch.no_grad():
        for _ in range(NORMALISATION_BATCHES):
            network(scanner.scan(schedule.batch, schedule.shape(schedule.steps - 1)).image)
    network.eval()


def _parameter_count(architecture: str) -> int:
    return sum(parameter.numel() for parameter in build_network(architecture).parameters())
