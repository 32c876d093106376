"""The training loop, to be read from top to bottom."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.cpu_threads import every_thread, one_thread
from models.two_tower.inputs.training_set import TrainingSet
from models.two_tower.model import TwoTowerNet, take_rows
from models.two_tower.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from models.two_tower.training.distributed import CandidateExchange, part_of_this_process
from models.two_tower.training.loss_monitor import LossMonitor, StepReport
from models.two_tower.training.losses import Candidates, contrast, journey_loss
from models.two_tower.training.minibatches import Minibatch, Minibatches, Part
from models.two_tower.training.step_graph import GraphedStep

__all__ = [
    "batch_loss",
    "device_of",
    "forward_and_backward",
    "learning_rate",
    "train",
]

# The learning rate ends at this share of its peak.
_FINAL_RATE = 0.05


def device_of(config: TrainConfig) -> torch.device:
    """The device that the config asks for; ``auto`` is CUDA where there is one."""
    if config.device != "auto":
        return torch.device(config.device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def learning_rate(step: int, steps: int, config: TrainConfig) -> float:
    """Linear warm-up, then a half cosine down to a twentieth.

    >>> config = TrainConfig(learning_rate=1.0, warmup_share=0.4)
    >>> [round(learning_rate(step, 10, config), 3) for step in (0, 3, 4, 7, 9)]
    [0.25, 1.0, 1.0, 0.525, 0.114]
    """
    warm = max(1, round(steps * config.warmup_share))
    if step < warm:
        return config.learning_rate * (step + 1) / warm
    share = (step - warm) / max(1, steps - warm)
    wave = 0.5 * (1 + math.cos(math.pi * share))
    return config.learning_rate * (_FINAL_RATE + (1 - _FINAL_RATE) * wave)


def batch_loss(
    net: nn.Module,
    batch: Minibatch,
    batches: Minibatches,
    config: TrainConfig,
    towers: TowerConfig,
) -> Tensor:
    """Loss of one step's part of the positives; parts add up to the step's loss."""
    # with the whole market at hand each process has every candidate already
    exchange = CandidateExchange(batch.own_place_C, is_whole=batch.is_full)
    query_BD, vector_UD = net(
        batch.queries,
        batch.listings,
        batch.history_place_BH,
        batch.positives["head"],
        None if exchange.is_alone else exchange.start,
    )
    positive_BD = take_rows(vector_UD, batch.positive_place_B)
    candidates = Candidates(
        vector_CD=exchange.finish(vector_UD),
        id_C=batch.candidate_id_C,
        market_C=batch.candidate_market_C,
        log_count_C=batch.log_count_C,
        allowed=batches.allowed(batch.search_B, batch.candidate_id_C),
        ranks=batches.ranks(batch),
    )
    loss = contrast(
        query_BD,
        positive_BD,
        candidates,
        batch.positives,
        temperature=towers.temperature,
        chunk_rows=config.chunk_rows,
        softmax=config.softmax,
    )
    if config.hard_weight and batch.is_hard_BH.shape[1]:
        hard_BHD = take_rows(vector_UD, batch.hard_place_BH)
        weight_B = batch.positives["weight"]
        loss = loss + config.hard_weight * journey_loss(
            query_BD,
            positive_BD,
            hard_BHD,
            batch.is_hard_BH,
            weight_B,
            temperature=towers.temperature,
        )
    return loss


@one_thread()
def train(
    net: TwoTowerNet,
    data: TrainingSet,
    config: TrainConfig,
    *,
    validate: Callable[[], float] | None = None,
    checkpoint: Path | None = None,
    report: Callable[[StepReport], None] | None = None,
) -> Progress:
    """Train ``net`` in place and leave in it the weights of the best epoch.

    Args:
        net: both towers, on the device to train on.
        data: the encoded log.
        config: how to train.
        validate: recall of the net as it stands, measured after each epoch; without it all
            epochs run and the last weights stay.
        checkpoint: folder to resume from and to write to.
        report: called each time losses have been checked.

    Raises ``TrainingStoppedError`` when the loss is not a finite number.
    """
    device = next(net.parameters()).device
    part = part_of_this_process()
    with every_thread():  # the masks of all searches: each number is one thread's own
        batches = Minibatches(data, config, id_dropout=net.config.id_dropout, device=device)
    optimiser = _optimiser(net, config, device)
    progress, best = Progress(), dict[str, Tensor]()
    if checkpoint and (resumed := load_checkpoint(checkpoint, net, optimiser)):
        progress, best = resumed
    keep = checkpoint if part.rank == 0 else None
    take_gradients = forward_and_backward(net, batches, config, part)
    steps = config.epochs * batches.steps_per_epoch
    monitor = LossMonitor(net, batches, config, progress, report)

    while progress.epoch < config.epochs and not _has_stalled(progress, config):
        order_P = batches.order(progress.epoch)
        while progress.step < batches.steps_per_epoch:
            done = progress.epoch * batches.steps_per_epoch + progress.step
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(done, steps, config)

            batch = batches.draw(order_P, progress.epoch, progress.step, part)
            loss = take_gradients(batch)
            # before the weights change: a bad loss is explained by the weights that gave it
            monitor.add(loss)
            with every_thread():
                optimiser.step()

            progress.step += 1
            if keep and config.checkpoint_every and (done + 1) % config.checkpoint_every == 0:
                monitor.check()
                save_checkpoint(keep, net, optimiser, best, progress)

        monitor.check()
        progress.epoch, progress.step = progress.epoch + 1, 0
        if validate is not None and _is_better(_recall(validate), progress):
            best = {name: value.clone() for name, value in net.state_dict().items()}
        if keep and config.checkpoint_every:
            save_checkpoint(keep, net, optimiser, best, progress)

    if best:
        net.load_state_dict(best)
    return progress


def forward_and_backward(
    net: TwoTowerNet, batches: Minibatches, config: TrainConfig, part: Part
) -> Callable[[Minibatch], Tensor]:
    """What takes a step to its loss and leaves the gradients in the net."""
    device = batches.device
    runner = _runner(net, config, part, device)

    def work(batch: Minibatch) -> Tensor:
        net.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=_uses_bfloat16(config, device)):
            loss = batch_loss(runner, batch, batches, config, net.config)
        # DDP averages gradients over the processes; the parts of a loss add up
        (loss * part.world).backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    has_graph = config.cuda_graph and device.type == "cuda" and part.world == 1
    return GraphedStep(work) if has_graph else work


def _optimiser(
    net: TwoTowerNet, config: TrainConfig, device: torch.device
) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        net.parameters(),
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        fused=True if device.type == "cuda" else None,
    )


def _runner(net: TwoTowerNet, config: TrainConfig, part: Part, device: torch.device) -> nn.Module:
    """The net as it is called in a step: compiled and distributed where asked for."""
    runner: nn.Module = net
    if config.compile_towers:
        # on a GPU every step has the same shapes (minibatches.py)
        runner = cast("nn.Module", torch.compile(net, dynamic=device.type != "cuda"))
    return DistributedDataParallel(runner) if part.world > 1 else runner


def _uses_bfloat16(config: TrainConfig, device: torch.device) -> bool:
    return config.autocast and device.type == "cuda"


def _recall(validate: Callable[[], float]) -> float:
    with every_thread():  # of the listings' scores each row is searched by one thread
        return validate()


def _is_better(recall: float, progress: Progress) -> bool:
    """Record the recall of the epoch that ended; whether it is the best so far."""
    progress.recalls.append(recall)
    if recall <= progress.best_recall:
        return False
    progress.best_recall, progress.best_epoch = recall, progress.epoch
    return True


def _has_stalled(progress: Progress, config: TrainConfig) -> bool:
    return bool(progress.recalls) and progress.epoch - progress.best_epoch >= config.patience
