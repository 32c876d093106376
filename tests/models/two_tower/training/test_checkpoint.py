"""A checkpoint holds all that resuming needs, and one that is being written harms no other."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from models.two_tower.training import checkpoint
from models.two_tower.training.checkpoint import Progress, load_checkpoint, save_checkpoint

PROGRESS = Progress(
    epoch=1, step=2, losses=[3.0, 2.5], recalls=[0.25], best_recall=0.25, best_epoch=1
)


def trainer(seed: int) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    return net, torch.optim.AdamW(net.parameters(), lr=0.1)


def take_step(net: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    net(torch.tensor([[1.0, 2.0]])).square().sum().backward()
    optimiser.step()
    optimiser.zero_grad()


def weights(net: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])


def test_the_step_after_loading_is_the_step_that_would_have_followed(tmp_path: Path) -> None:
    """Weights alone would not do: AdamW's next step depends on its moments and its step count."""
    net, optimiser = trainer(0)
    for _ in range(3):
        take_step(net, optimiser)
    best = {name: value + 1 for name, value in net.state_dict().items()}
    save_checkpoint(tmp_path / "c", net, optimiser, best, PROGRESS)
    other_net, other_optimiser = trainer(1)
    loaded = load_checkpoint(tmp_path / "c", other_net, other_optimiser)
    assert loaded is not None
    progress, loaded_best = loaded
    assert progress == PROGRESS
    assert loaded_best.keys() == best.keys()
    assert all(torch.equal(loaded_best[name], value) for name, value in best.items())
    assert torch.equal(weights(other_net), weights(net))
    take_step(net, optimiser)
    take_step(other_net, other_optimiser)
    assert torch.equal(weights(other_net), weights(net))


def test_where_there_is_no_checkpoint_nothing_is_loaded(tmp_path: Path) -> None:
    net, optimiser = trainer(0)
    before = weights(net)
    assert load_checkpoint(tmp_path / "c", net, optimiser) is None
    assert torch.equal(weights(net), before)


def test_a_kill_while_writing_leaves_the_previous_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, optimiser = trainer(0)
    save_checkpoint(tmp_path / "c", net, optimiser, {}, PROGRESS)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save_file", killed)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path / "c", net, optimiser, {}, Progress(epoch=9))
    monkeypatch.undo()
    loaded = load_checkpoint(tmp_path / "c", net, optimiser)
    assert loaded is not None
    assert loaded[0] == PROGRESS
    save_checkpoint(tmp_path / "c", net, optimiser, {}, Progress(epoch=9))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c"]


def test_a_kill_between_the_two_renames_leaves_the_previous_checkpoint_beside(
    tmp_path: Path,
) -> None:
    net, optimiser = trainer(0)
    save_checkpoint(tmp_path / "c", net, optimiser, {}, PROGRESS)
    (tmp_path / "c").rename(tmp_path / "c.old")
    (tmp_path / "c.new").mkdir()
    loaded = load_checkpoint(tmp_path / "c", net, optimiser)
    assert loaded is not None
    assert loaded[0] == PROGRESS
