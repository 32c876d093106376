"""Checkpoints: all that resuming needs, as safetensors and JSON, written whole or not at all."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

__all__ = ["Progress", "load_checkpoint", "save_checkpoint"]

_TENSORS = "state.safetensors"
_PROGRESS = "progress.json"
_MODEL, _BEST, _MOMENTS = "model.", "best.", "optimiser."


@dataclass(kw_only=True)
class Progress:
    """Where a training run stands.

    Attributes:
        epoch, step: the next step to take.
        losses: loss of each step so far.
        recalls: validation recall after each epoch.
        best_recall: the highest of them, -1 before the first.
        best_epoch: the epoch of the best recall.
    """

    epoch: int = 0
    step: int = 0
    losses: list[float] = field(default_factory=list)
    recalls: list[float] = field(default_factory=list)
    best_recall: float = -1.0
    best_epoch: int = -1


def _moments(net: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """AdamW's state by the names of the parameters: ``optimiser.exp_avg.query.place.weight``."""
    # not by number, as optimiser.state_dict() has it: the order of parameters is no promise
    moments = {}
    for name, parameter in net.named_parameters():
        for key, value in optimiser.state[parameter].items():
            moments[f"{_MOMENTS}{key}.{name}"] = value
    return moments


def save_checkpoint(
    folder: Path,
    net: nn.Module,
    optimiser: torch.optim.Optimizer,
    best: dict[str, Tensor],
    progress: Progress,
) -> None:
    """Replace the checkpoint in ``folder``; a kill while writing leaves the previous one."""
    tensors = {f"{_MODEL}{name}": value for name, value in net.state_dict().items()}
    tensors |= {f"{_BEST}{name}": value for name, value in best.items()}
    tensors |= _moments(net, optimiser)
    new, old = folder.with_suffix(".new"), folder.with_suffix(".old")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    # clones: safetensors refuses tensors that share memory
    save_file({k: v.detach().cpu().clone() for k, v in tensors.items()}, new / _TENSORS)
    (new / _PROGRESS).write_text(json.dumps(asdict(progress)))
    shutil.rmtree(old, ignore_errors=True)
    # A folder cannot be renamed onto another, so there are two renames. Killed between them,
    # only `.old` is there, and load_checkpoint() reads it.
    if folder.exists():
        folder.replace(old)
    new.replace(folder)
    shutil.rmtree(old, ignore_errors=True)


def load_checkpoint(
    folder: Path, net: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[Progress, dict[str, Tensor]] | None:
    """Put the checkpoint in ``folder`` into ``net`` and ``optimiser``.

    Returns where the run stands and the best weights so far; ``None`` when there is no
    checkpoint. A kill between the two renames leaves the previous one beside it.
    """
    old = folder.with_suffix(".old")
    folder = folder if (folder / _PROGRESS).exists() else old
    if not (folder / _PROGRESS).exists():
        return None
    device = next(net.parameters()).device
    tensors = load_file(folder / _TENSORS, device=str(device))
    net.load_state_dict(_under(tensors, _MODEL))
    _restore_moments(net, optimiser, _under(tensors, _MOMENTS))
    progress = Progress(**json.loads((folder / _PROGRESS).read_text()))
    return progress, _under(tensors, _BEST)


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _restore_moments(
    net: nn.Module, optimiser: torch.optim.Optimizer, moments: dict[str, Tensor]
) -> None:
    parameters = dict(net.named_parameters())
    is_fused = any(group.get("fused") for group in optimiser.param_groups)
    for name, value in moments.items():
        key, parameter = name.split(".", 1)
        # AdamW counts its steps on the CPU, but where it is fused on the device
        is_on_cpu = key == "step" and not is_fused
        optimiser.state[parameters[parameter]][key] = value.cpu() if is_on_cpu else value
