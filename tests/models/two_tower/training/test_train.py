"""The loop learns what is there, nothing where nothing is, and resumes to the bit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.cpu_threads import torch_threads
from models.two_tower.inputs.encoder import sorted_rows
from models.two_tower.recommender import TwoTower
from models.two_tower.training.loss_monitor import StepReport, TrainingStoppedError
from models.two_tower.training.train import learning_rate
from models.two_tower.training.validation_recall import HeldOutSearches

World = Callable[..., pa.Table]


def weights(model: TwoTower) -> dict[str, torch.Tensor]:
    return model.net.state_dict()


def assert_same_weights(one: TwoTower, other: TwoTower) -> None:
    for name, value in weights(one).items():
        assert torch.equal(value, weights(other)[name]), name


def liked_above_not(model: TwoTower, rows: pa.Table) -> float:
    """AUC within searches: how often a clicked row outscores one of its search's others."""
    scores, stage = model.score(rows), rows["stage"].to_numpy()
    search = np.array(rows["id_search"].to_pylist())
    wins = []
    for name in np.unique(search):
        here = search == name
        liked, other = scores[here & (stage > 0)], scores[here & (stage == 0)]
        wins.append((liked[:, None] > other).ravel())
    return float(np.concatenate(wins).mean())


@pytest.mark.parametrize("loss", ["full", "sampled"])
def test_taste_is_learned_from_history(
    world: World, towers: TowerConfig, training: TrainConfig, loss: str
) -> None:
    config = TrainConfig.from_mapping({**training.to_mapping(), "loss": loss, "epochs": 8})
    log = world(searches=500)
    model = TwoTower(towers, config).fit(log, log.slice(0, 0))
    later = world(searches=150, seed=1)
    assert liked_above_not(model.remembering(later), later) > 0.8


def test_one_batch_is_learned_by_heart(world: World, towers: TowerConfig) -> None:
    log = world(searches=12)
    config = TrainConfig(
        epochs=150, batch_size=512, learning_rate=0.02, loss="full", hard_weight=1.0
    )
    shape = replace(towers, id_dropout=0.0, temperature=0.05)
    model = TwoTower(shape, config).fit(log, log.slice(0, 0))
    assert liked_above_not(model, log) > 0.97


def test_shuffled_labels_fall_to_chance(
    world: World, towers: TowerConfig, training: TrainConfig
) -> None:
    log = world(searches=500)
    chance = np.random.default_rng(3)
    order = pa.array(chance.permutation(log.num_rows))
    shuffled = log
    for name in ("stage", "contact_day", "book_day"):
        place = log.column_names.index(name)
        shuffled = shuffled.set_column(place, name, log[name].take(order))
    model = TwoTower(towers, training).fit(shuffled, log.slice(0, 0))
    assert abs(liked_above_not(model, world(searches=200, seed=1)) - 0.5) < 0.06


def test_the_same_seed_gives_the_same_weights_in_any_row_order(
    world: World, towers: TowerConfig, training: TrainConfig
) -> None:
    log = world(searches=80)
    turned = log.take(pa.array(np.arange(log.num_rows)[::-1]))
    training = replace(training, device="cpu")  # a GPU adds up in no fixed order
    one = TwoTower(towers, training).fit(log, log.slice(0, 0))
    other = TwoTower(towers, training).fit(turned, log.slice(0, 0))
    assert_same_weights(one, other)


def test_another_seed_gives_other_weights(
    world: World, towers: TowerConfig, training: TrainConfig
) -> None:
    log = world(searches=40)
    one = TwoTower(towers, training).fit(log, log.slice(0, 0))
    other = TwoTower(towers, replace(training, seed=1)).fit(log, log.slice(0, 0))
    assert not torch.equal(one.net.listing.id_table.weight, other.net.listing.id_table.weight)


def test_fitting_leaves_the_global_chance_and_threads_alone(
    world: World, towers: TowerConfig, training: TrainConfig
) -> None:
    torch.manual_seed(5)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    log = world(searches=20)
    TwoTower(towers, replace(training, threads=1, epochs=1)).fit(log, log.slice(0, 0))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("killed_after", [1, 7, 12])
def test_a_killed_run_resumes_to_the_bit(
    world: World, towers: TowerConfig, training: TrainConfig, tmp_path: Path, killed_after: int
) -> None:
    """Killed at any step; the epoch has five, a checkpoint comes every second step."""
    log, valid = world(searches=100), world(searches=20, seed=1)
    config = replace(training, checkpoint_every=2, patience=10, device="cpu")
    whole = TwoTower(towers, config).fit(log, valid)

    def kill(report: StepReport) -> None:
        if report.step == killed_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TwoTower(towers, config).fit(log, valid, checkpoint=tmp_path / "c", report=kill)
    resumed = TwoTower(towers, config).fit(log, valid, checkpoint=tmp_path / "c")
    assert resumed.trained.losses == whole.trained.losses
    assert resumed.trained.recalls == whole.trained.recalls
    assert_same_weights(resumed, whole)


def test_a_finished_checkpoint_trains_no_further(
    world: World, towers: TowerConfig, training: TrainConfig, tmp_path: Path
) -> None:
    log, valid = world(searches=40), world(searches=20, seed=1)
    config = replace(training, checkpoint_every=3)
    first = TwoTower(towers, config).fit(log, valid, checkpoint=tmp_path / "c")
    again = TwoTower(towers, config).fit(log, valid, checkpoint=tmp_path / "c")
    assert_same_weights(again, first)
    assert again.trained.losses == first.trained.losses


def test_no_number_stops_with_step_batch_and_feature(
    world: World, towers: TowerConfig, training: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.two_tower.inputs import numeric_inputs

    def broken(scaler: numeric_inputs.NumberScaler, table: pa.Table) -> np.ndarray:
        inputs = np.zeros((table.num_rows, scaler.width), dtype=np.float32)
        if "listing_review_rating" in scaler.names:
            inputs[:, scaler.names.index("listing_review_rating")] = np.nan
        return inputs

    monkeypatch.setattr(numeric_inputs.NumberScaler, "transform", broken)
    log = world(searches=40)
    expected = r"step 0 \(epoch 0, batch 0\): listing feature .*: listing_review_rating$"
    with pytest.raises(TrainingStoppedError, match=expected):
        TwoTower(towers, training).fit(log, log.slice(0, 0))


def test_training_stops_early_and_keeps_the_best_epoch(
    world: World, towers: TowerConfig, training: TrainConfig
) -> None:
    log, valid = world(searches=100), world(searches=40, seed=1)
    config = replace(training, epochs=40, patience=2, learning_rate=0.1, valid_k=3)
    model = TwoTower(towers, config).fit(log, valid)
    trained = model.trained
    assert len(trained.recalls) == trained.best_epoch + 2 < 40
    assert trained.best_recall == max(trained.recalls) > trained.recalls[-1]
    rows, later = sorted_rows(log), sorted_rows(valid)
    held_out = HeldOutSearches.draw(
        later, pa.concat_tables([rows, later]), model.encoder, model.guest_events, config
    )
    assert held_out is not None
    assert held_out.recall(model.net, model.known_LD, 3) == trained.best_recall


def test_progress_counts_the_steps_and_reports_the_rate(
    world: World, towers: TowerConfig, training: TrainConfig
) -> None:
    log = world(searches=100)
    counted: list[tuple[int, int]] = []
    reports: list[StepReport] = []
    TwoTower(towers, replace(training, device="cpu")).fit(
        log,
        log.slice(0, 0),
        progress=lambda done, total: counted.append((done, total)),
        report=reports.append,
    )
    total = counted[-1][1]
    assert counted == [(step + 1, total) for step in range(total)]
    assert all(report.samples_per_s > 0 for report in reports)
    assert reports[-1].seconds_left == 0


def test_the_rate_warms_up_and_comes_down() -> None:
    config = TrainConfig(learning_rate=1.0, warmup_share=0.1)
    rates = [learning_rate(step, 100, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[10] == pytest.approx(1.0)
    assert rates[55] == pytest.approx(0.525)  # half of the way down from 1 to 0.05
    assert rates[-1] == pytest.approx(0.05, abs=0.001)


def test_the_number_of_threads_is_restored_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError, match="on purpose"), torch_threads(1):
        raise RuntimeError("on purpose")
    assert torch.get_num_threads() == before
