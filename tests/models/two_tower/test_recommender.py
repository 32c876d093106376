"""The whole model: retrieval, scores, the unseen, and ids alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from models.recommender import Recommender
from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.inputs.eligibility import Eligibility
from models.two_tower.inputs.encoder import one_per, sorted_rows
from models.two_tower.recommender import TwoTower

World = Callable[..., pa.Table]


def test_it_is_a_recommender() -> None:
    assert isinstance(TwoTower(), Recommender)
    assert TwoTower.name == "two_tower"


def test_scores_do_not_depend_on_the_order_of_the_rows(model: TwoTower, log: pa.Table) -> None:
    turned = log.take(pa.array(np.arange(log.num_rows)[::-1]))
    np.testing.assert_array_equal(model.score(turned)[::-1], model.score(log))


def test_scores_do_not_read_outcomes(model: TwoTower, log: pa.Table) -> None:
    blind = log.drop_columns(["stage", "contact_day", "book_day"])
    np.testing.assert_array_equal(model.score(blind), model.score(log))


def renamed(rows: pa.Table, **values: str) -> pa.Table:
    for name, value in values.items():
        constant = pa.array([value] * rows.num_rows)
        rows = rows.set_column(rows.column_names.index(name), name, constant)
    return rows


def test_what_is_unseen_scores_by_its_attributes_and_not_by_its_name(
    model: TwoTower, log: pa.Table
) -> None:
    rows = log.slice(0, 8)
    scores = model.score(renamed(rows, id_user="nobody", id_listing="new", market="natal"))
    others = model.score(renamed(rows, id_user="somebody", id_listing="x", market="belem"))
    np.testing.assert_array_equal(scores, others)
    assert len(np.unique(scores)) == 8  # eight listings of one search differ in attributes
    assert model.score(rows.slice(0, 0)).tolist() == []


def test_a_cold_listing_is_placed_by_its_attributes(world: World, towers: TowerConfig) -> None:
    """Listings renamed: their ids are unseen, their room types and prices are not."""
    config = TrainConfig(epochs=8, batch_size=64, learning_rate=0.01)
    train, later = world(searches=500), world(searches=150, seed=1)
    model = TwoTower(towers, config).fit(train, train.slice(0, 0)).remembering(later)
    cold_ids = pc.binary_join_element_wise("cold", later["id_listing"], "")
    cold = later.set_column(later.column_names.index("id_listing"), "id_listing", cold_ids)
    scores, liked = model.score(cold), later["stage"].to_numpy() > 0
    assert scores[liked].mean() > scores[~liked].mean() + 0.5 * scores.std()


def test_retrieval_ranks_the_markets_catalogue(model: TwoTower, log: pa.Table) -> None:
    catalogue = one_per(sorted_rows(log), "id_listing", last=True)
    queries = one_per(log, "id_search").slice(0, 10)
    table = model.retrieve(queries, catalogue, 5)
    assert table.column_names == ["id_search", "id_listing", "rank", "score"]
    assert table["rank"].to_pylist() == [1, 2, 3, 4, 5] * 10
    assert table["id_search"].to_pylist() == np.repeat(queries["id_search"], 5).tolist()
    market = dict(zip(log["id_search"].to_pylist(), log["market"].to_pylist(), strict=True))
    for search, listing in zip(table["id_search"], table["id_listing"], strict=True):
        assert listing.as_py().startswith(market[search.as_py()][:3])


def test_retrieval_respects_every_bound(model: TwoTower, log: pa.Table) -> None:
    catalogue = one_per(log, "id_listing", last=True)
    queries = one_per(log, "id_search")
    eligible = Eligibility.of(queries, catalogue)
    table = model.retrieve(queries, catalogue, 100, eligible=eligible)
    assert table.num_rows == int(eligible(slice(None), slice(None)).sum())
    guests = queries["query_num_guests"].to_pylist()
    capacity = catalogue["listing_person_capacity"].to_pylist()
    party = dict(zip(queries["id_search"].to_pylist(), guests, strict=True))
    offered = dict(zip(catalogue["id_listing"].to_pylist(), capacity, strict=True))
    for search, listing in zip(table["id_search"], table["id_listing"], strict=True):
        assert offered[listing.as_py()] >= party[search.as_py()]


def test_retrieval_and_scoring_agree(model: TwoTower, log: pa.Table) -> None:
    catalogue = one_per(log, "id_listing", last=True)
    query = log.slice(0, 1)
    table = model.retrieve(query, catalogue, 3)
    names = [c for c in catalogue.column_names if c.startswith("listing_") or c == "id_listing"]
    rows = catalogue.select(names)
    for name in query.column_names:
        if name not in names:
            repeated = pa.array([query[name][0].as_py()] * rows.num_rows, query[name].type)
            rows = rows.append_column(name, repeated)
    here = rows["id_listing"].to_pylist()
    scored = dict(zip(here, model.score(rows), strict=True))
    for listing, score in zip(table["id_listing"], table["score"], strict=True):
        assert scored[listing.as_py()] == pytest.approx(score.as_py(), abs=1e-5)


def test_remembering_extends_the_history_of_a_copy(model: TwoTower, world: World) -> None:
    later = world(searches=40, seed=1)
    before = model.score(later)
    assert not np.array_equal(model.remembering(later).score(later), before)
    np.testing.assert_array_equal(model.score(later), before)


@pytest.mark.parametrize(
    "columns",
    [
        ("id_user",),
        ("id_user", "search_s", "market"),
        ("listing_room_type", "query_num_guests", "market"),
        ("listing_lat", "listing_lng", "id_user", "search_s"),
        (),
    ],
)
def test_a_model_of_a_subset_of_the_columns_reads_no_other(
    log: pa.Table, towers: TowerConfig, training: TrainConfig, columns: tuple[str, ...]
) -> None:
    rows = log.select(["id_search", "id_listing", "stage", *columns])
    model = TwoTower(towers, replace(training, epochs=1)).fit(rows, rows.slice(0, 0))
    scores = model.score(rows)
    assert len(np.unique(scores)) > 10
    # guest and time are read for the history wherever the rows have them
    history = {"id_user", "search_s"} - set(columns)
    np.testing.assert_array_equal(model.score(log.drop_columns(list(history))), scores)


def test_a_head_per_stage_scores_the_weighted_sum_of_its_heads(
    log: pa.Table, towers: TowerConfig, training: TrainConfig, tmp_path: Path
) -> None:
    shape = replace(towers, head_shares=(0.5, 0.2, 0.3))
    model = TwoTower(shape, replace(training, epochs=2)).fit(log, log.slice(0, 0))
    scores = model.score(log)
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(TwoTower.load(tmp_path / "m").score(log), scores)
    parts = []
    for head in range(3):
        alone = [0.0, 0.0, 0.0]
        alone[head] = 1.0
        model.net.query.share_E.copy_(torch.tensor(alone))
        parts.append(model.score(log))
    np.testing.assert_allclose(scores, np.array([0.5, 0.2, 0.3]) @ parts, atol=1e-5)
    assert np.abs(parts[0] - parts[2]).max() > 1e-3


def test_without_history_slots_nothing_is_remembered(
    log: pa.Table, training: TrainConfig, world: World
) -> None:
    shape = TowerConfig(dimension=8, hidden=8, cross_layers=2, history_length=0)
    model = TwoTower(shape, replace(training, epochs=1)).fit(log, log.slice(0, 0))
    later = world(searches=20, seed=1)
    np.testing.assert_array_equal(model.remembering(later).score(later), model.score(later))


def block_interactions() -> tuple[pa.Array, pa.Array]:
    """Forty guests, thirty items, three tastes; each guest takes eight of ten of a taste."""
    chance = np.random.default_rng(0)
    pairs = [
        (f"u{guest}", f"i{10 * (guest % 3) + item}")
        for guest in range(40)
        for item in chance.choice(10, size=8, replace=False)
    ]
    users, items = zip(*pairs, strict=True)
    return pa.array(users), pa.array(items)


@pytest.mark.parametrize("timed", [False, True])
@pytest.mark.parametrize("guest_ids", [None, False])
def test_ids_alone_are_enough(guest_ids: bool | None, timed: bool) -> None:
    users, items = block_interactions()
    times = np.random.default_rng(1).permutation(len(users)) if timed else None
    shape = TowerConfig(dimension=16, id_dropout=0.0, use_guest_id=guest_ids)
    config = TrainConfig(epochs=30, batch_size=64, learning_rate=0.02)
    model = TwoTower(shape, config).fit_interactions(users, items, times)
    table = model.recommend_unseen(pa.array(["u0", "u1", "u2"]), 2)
    for guest, item in zip(table["id_search"], table["id_listing"], strict=True):
        assert int(item.as_py()[1:]) // 10 == int(guest.as_py()[1:]) % 3
    taken = set(zip(users.to_pylist(), items.to_pylist(), strict=True))
    recommended = zip(table["id_search"].to_pylist(), table["id_listing"].to_pylist(), strict=True)
    assert not taken & set(recommended)


def test_held_out_pairs_of_ids_stop_the_training_early() -> None:
    users, items = block_interactions()
    is_held_out = np.random.default_rng(1).random(len(users)) < 0.1
    train, valid = (
        [part.filter(pa.array(mask)) for part in (users, items)]
        for mask in (~is_held_out, is_held_out)
    )
    config = TrainConfig(epochs=60, batch_size=64, learning_rate=0.05, patience=2, valid_k=3)
    model = TwoTower(TowerConfig(dimension=8, id_dropout=0.0), config)
    trained = model.fit_interactions(*train, valid=tuple(valid)).trained
    assert len(trained.recalls) == trained.best_epoch + 2 < 60
    assert trained.best_recall == max(trained.recalls) > 0.5  # by chance 3 of 22 unseen items


def test_a_table_of_ids_goes_through_fit() -> None:
    users, items = block_interactions()
    rows = pa.table({"id_user": users, "id_listing": items})
    model = TwoTower(TowerConfig(dimension=8), TrainConfig(epochs=1)).fit(rows, rows.slice(0, 0))
    again = TwoTower(TowerConfig(dimension=8), TrainConfig(epochs=1)).fit_interactions(users, items)
    guests = pa.array(["u0", "nobody"])
    table = model.recommend_unseen(guests, 3)
    assert table["id_search"].to_pylist() == ["u0"] * 3 + ["nobody"] * 3
    assert table.equals(again.recommend_unseen(guests, 3))


def test_a_table_without_ids_is_refused_by_column() -> None:
    rows = pa.table({"id_user": ["u"], "price": [1.0]})
    with pytest.raises(ValueError, match="id_listing"):
        TwoTower().fit(rows, rows)
