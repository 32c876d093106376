"""A step: which positives, which candidates, and how often each candidate is expected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from models.two_tower.config import TrainConfig
from models.two_tower.inputs.arrays import ListingArrays, Positives, QueryArrays
from models.two_tower.inputs.eligibility import Eligibility
from models.two_tower.inputs.training_set import TrainingSet
from models.two_tower.training import minibatches
from models.two_tower.training.minibatches import Minibatch, Minibatches, Part

CPU = torch.device("cpu")
# Listings 1 to 4 are in market 1, listings 5 and 6 in market 2; row 0 is no listing.
MARKET_L = np.array([0, 1, 1, 1, 1, 2, 2])
# Eight positives: six of market 1, two of market 2; listing 4 was never chosen.
CHOSEN_P = np.array([1, 1, 1, 1, 2, 3, 5, 6])
# The third positive's journey has the hard negatives 4 and 2, the seventh's has 6.
HARD_START_P, HARD_COUNT_P = np.array([0, 0, 0, 2, 2, 2, 2, 3]), np.array([0, 0, 2, 0, 0, 0, 1, 0])


def training_set(**changed: Any) -> TrainingSet:
    """One search per positive; its number is its only dense input."""
    count = len(CHOSEN_P)
    nothing = pa.table({"id": pa.nulls(count)}), pa.table({"id": pa.nulls(len(MARKET_L))})
    values: dict[str, Any] = {
        "queries": QueryArrays(
            dense_SF=np.arange(count, dtype=np.float32)[:, None],
            market_S=MARKET_L[CHOSEN_P],
            guest_S=np.zeros(count, dtype=np.int64),
            history_SH=np.stack([CHOSEN_P, np.full(count, 2)], axis=1),
            history_stage_SH=np.ones((count, 2), dtype=np.int64),
        ),
        "catalogue": ListingArrays(
            id_L=np.arange(7),
            dense_LF=np.arange(7, dtype=np.float32)[:, None],
            category_LK=np.zeros((7, 0), dtype=np.int64),
            market_L=MARKET_L,
        ),
        "positives": Positives(
            search_P=np.arange(count),
            listing_P=CHOSEN_P,
            weight_P=np.array([1, 1, 2, 1, 4, 1, 1, 1], dtype=np.float32),
            head_P=np.zeros(count, dtype=np.int64),
            hard_start_P=HARD_START_P,
            hard_count_P=HARD_COUNT_P,
        ),
        "hard": np.array([4, 2, 6]),
        "bounds": Eligibility.of(*nothing),
    }
    return TrainingSet(**(values | changed))


def steps_of(
    config: TrainConfig, data: TrainingSet | None = None, id_dropout: float = 0.0
) -> tuple[Minibatches, Callable[..., Minibatch]]:
    """The batches, and the step ``draw(epoch, step)`` of a process."""
    batches = Minibatches(data or training_set(), config, id_dropout=id_dropout, device=CPU)

    def draw(epoch: int = 0, step: int = 0, part: Part = Part()) -> Minibatch:  # noqa: B008
        return batches.draw(batches.order(epoch), epoch, step, part)

    return batches, draw


SAMPLED = TrainConfig(loss="sampled", batch_size=4, uniform_negatives=12)


def test_the_parts_of_a_step_are_equal_and_leave_the_rest_out() -> None:
    values = torch.arange(7)
    assert [Part(rank=r, world=3).of(values).tolist() for r in range(3)] == [[0, 1], [2, 3], [4, 5]]
    assert Part().of(values).tolist() == values.tolist()


def test_the_expected_count_of_a_candidate_is_worked_out_from_shares_and_markets() -> None:
    """A step draws 4 positives and 12 listings uniformly, 9 in market 1 and 3 in market 2.

    Listing 1 has half of the positives: 4 / 2 as one of them, and 9 / 4 uniformly. Listing
    4 was never chosen and is drawn uniformly alone; 5 and 6 share the draws of market 2.
    """
    _, draw = steps_of(SAMPLED)
    expected = {
        1: 2 + 9 / 4,
        2: 0.5 + 9 / 4,
        3: 0.5 + 9 / 4,
        4: 9 / 4,
        5: 0.5 + 3 / 2,
        6: 0.5 + 3 / 2,
    }
    counts: dict[int, float] = {}
    for epoch in range(4):
        batch = draw(epoch)
        pairs = zip(batch.candidate_id_C.tolist(), batch.log_count_C.exp().tolist(), strict=True)
        counts.update(pairs)
    assert counts == pytest.approx(expected)


def test_candidates_are_drawn_as_often_as_is_subtracted_for_them() -> None:
    """Over many steps the mean number of draws of each listing is what logQ says."""
    batches, draw = steps_of(SAMPLED)
    drawn = torch.zeros(7)
    epochs = 600
    for epoch in range(epochs):
        for step in range(batches.steps_per_epoch):
            drawn += torch.bincount(draw(epoch, step).candidate_id_C, minlength=7)
    log_count_L = minibatches.expected_log_count(
        torch.arange(7), batches.share_L, batches.batch_size, batches.uniform_L
    )
    mean_L = drawn / (epochs * batches.steps_per_epoch)
    torch.testing.assert_close(mean_L, log_count_L.exp(), rtol=0.04, atol=0.0)


def test_the_full_softmax_compares_with_every_listing_once_and_corrects_nothing() -> None:
    _, draw = steps_of(TrainConfig(loss="full", batch_size=4))
    batch = draw()
    assert batch.candidate_id_C.tolist() == [1, 2, 3, 4, 5, 6]
    assert batch.candidate_market_C.tolist() == [1, 1, 1, 1, 2, 2]
    assert batch.log_count_C.tolist() == [0.0] * 6


@pytest.mark.parametrize(("limit", "is_full"), [(6, True), (5, False)])
def test_a_catalogue_up_to_the_limit_takes_the_full_softmax(limit: int, is_full: bool) -> None:
    batches, _ = steps_of(TrainConfig(full_softmax_limit=limit))
    assert batches.is_full is is_full


@pytest.mark.parametrize("loss", ["full", "sampled"])
def test_places_lead_to_the_listings_that_are_meant(loss: str) -> None:
    _, draw = steps_of(replace(SAMPLED, loss=loss))
    batch = draw()
    search_B = batch.queries["dense"][:, 0].long()
    chosen_B = torch.from_numpy(CHOSEN_P)[search_B]
    encoded_U = batch.listings["dense"][:, 0].long()  # a listing's number is its dense input
    assert batch.search_B.tolist() == search_B.tolist()
    assert batch.positives["id"].tolist() == chosen_B.tolist()
    assert encoded_U[batch.positive_place_B].tolist() == chosen_B.tolist()
    assert encoded_U[batch.own_place_C].tolist() == batch.candidate_id_C.tolist()
    history_BH = torch.stack([chosen_B, torch.full_like(chosen_B, 2)], dim=1)
    assert encoded_U[batch.history_place_BH].tolist() == history_BH.tolist()
    if loss == "sampled":
        assert len(encoded_U.unique()) == len(encoded_U)  # each listing is encoded once


def test_an_epoch_goes_through_the_positives_once() -> None:
    batches, draw = steps_of(replace(SAMPLED, batch_size=3))
    assert batches.steps_per_epoch == 2  # eight positives: two wait for another epoch
    searches = [draw(0, step).search_B.tolist() for step in range(2)]
    assert len({*searches[0], *searches[1]}) == 6
    assert draw(1).search_B.tolist() != searches[0]


@pytest.mark.parametrize("loss", ["full", "sampled"])
def test_a_step_is_a_function_of_seed_epoch_and_number(loss: str) -> None:
    config = replace(SAMPLED, loss=loss, batch_size=2)
    (_, draw), (_, again) = steps_of(config, id_dropout=0.5), steps_of(config, id_dropout=0.5)
    draw(0, 0)  # what was drawn before must not matter
    one, other = draw(1, 2), again(1, 2)
    for name in ("candidate_id_C", "hard_place_BH", "search_B"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    assert torch.equal(one.listings["id"], other.listings["id"])
    _, of_another_seed = steps_of(replace(config, seed=1), id_dropout=0.5)
    assert of_another_seed(1, 2).search_B.tolist() != one.search_B.tolist()


def test_processes_share_one_step_and_their_weights_sum_to_one() -> None:
    _, draw = steps_of(SAMPLED)
    whole = draw()
    parts = [draw(part=Part(rank=rank, world=2)) for rank in (0, 1)]
    searches = [part.search_B.tolist() for part in parts]
    assert searches[0] + searches[1] == whole.search_B.tolist()
    weights = [part.positives["weight"].sum().item() for part in parts]
    assert sum(weights) == pytest.approx(1)
    raw = torch.tensor([1.0, 1, 2, 1, 4, 1, 1, 1])[whole.search_B]
    torch.testing.assert_close(whole.positives["weight"], raw / raw.sum())
    log_count = dict(zip(whole.candidate_id_C.tolist(), whole.log_count_C.tolist(), strict=True))
    for part in parts:  # the expected counts are those of the whole step
        candidates = zip(part.candidate_id_C.tolist(), part.log_count_C.tolist(), strict=True)
        assert all(log_count[listing] == value for listing, value in candidates)


def test_journey_negatives_are_of_the_positives_own_journey_and_no_candidates() -> None:
    config = TrainConfig(loss="sampled", batch_size=8, uniform_negatives=0, hard_negatives=40)
    _, draw = steps_of(config)
    batch = draw()
    encoded_U = batch.listings["dense"][:, 0].long()
    hard_of = dict(
        zip(batch.search_B.tolist(), encoded_U[batch.hard_place_BH].tolist(), strict=True)
    )
    exists = dict(zip(batch.search_B.tolist(), batch.is_hard_BH[:, 0].tolist(), strict=True))
    assert [search for search in range(8) if exists[search]] == [2, 6]
    assert set(hard_of[2]) == {4, 2}  # in forty draws both
    assert set(hard_of[6]) == {6}
    assert 4 not in batch.candidate_id_C.tolist()  # never chosen, and not drawn uniformly


def test_without_journeys_there_are_no_slots_for_them() -> None:
    nothing = np.zeros(0, dtype=np.int64)
    _, draw = steps_of(SAMPLED, training_set(hard=nothing))
    assert draw().is_hard_BH.shape == (4, 0)


def test_id_dropout_hides_ids_and_nothing_else() -> None:
    _, draw = steps_of(TrainConfig(loss="full", batch_size=4), id_dropout=0.25)
    hidden = 0
    for epoch in range(400):
        batch = draw(epoch)
        id_U = batch.listings["id"]
        assert bool(((id_U == torch.arange(7)) | (id_U == 0)).all())
        assert batch.listings["market"].tolist() == MARKET_L.tolist()
        hidden += int((id_U[1:] == 0).sum())
    assert hidden / (400 * 6) == pytest.approx(0.25, abs=0.03)


def test_without_times_the_positive_is_hidden_from_its_own_history() -> None:
    """Each history holds the positive itself and listing 2, which is one of the positives."""
    for hides, stages in ((False, [1, 1]), (True, [0, 1])):
        _, draw = steps_of(SAMPLED, training_set(hides_positive=hides))
        batch = draw()
        chosen_B = batch.positives["id"].tolist()
        for chosen, history in zip(chosen_B, batch.queries["history_stage"].tolist(), strict=True):
            assert history == ([0, 0] if hides and chosen == 2 else stages)


@pytest.mark.parametrize("loss", ["full", "sampled"])
@pytest.mark.parametrize("mask_bytes", [10**6, 0])
def test_candidates_that_a_search_does_not_allow_are_masked(
    loss: str, mask_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Search s is for s guests and listing l for l; evaluated for all at once or step by step."""
    monkeypatch.setattr(minibatches, "_MASK_BYTES", mask_bytes)
    bounds = Eligibility.of(
        pa.table({"query_num_guests": range(8)}), pa.table({"listing_person_capacity": range(7)})
    )
    batches, draw = steps_of(replace(SAMPLED, loss=loss), training_set(bounds=bounds))
    batch = draw()
    allowed = batches.allowed(batch.search_B, batch.candidate_id_C)
    assert allowed is not None
    expected_BC = batch.candidate_id_C >= batch.search_B[:, None]
    assert torch.equal(allowed(slice(1, 3)), expected_BC[1:3])
    unbound, _ = steps_of(replace(SAMPLED, eligible_only=False), training_set(bounds=bounds))
    assert unbound.allowed(batch.search_B, batch.candidate_id_C) is None
