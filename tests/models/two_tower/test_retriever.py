"""Retrieval from a prepared catalogue: exact or indexed, per market, with room for new ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from models.two_tower.approximate import IndexConfig, IndexRecallError
from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.eligibility import Eligibility
from models.two_tower.encode import one_per
from models.two_tower.recommender import TwoTower
from models.two_tower.retriever import Retriever, RetrieverConfig, keep_places_for

INDEXED = RetrieverConfig(index=IndexConfig(at_listings=1, k=5, clusters=2, kind="ivf"))


@pytest.fixture
def log(world: Callable[..., pa.Table]) -> pa.Table:
    return world(searches=80)


@pytest.fixture
def model(log: pa.Table) -> TwoTower:
    shape = TowerConfig(dimension=8, hidden=8, history_length=3)
    return TwoTower(shape, TrainConfig(epochs=1, batch_size=64)).fit(log, log.slice(0, 0))


@pytest.fixture
def queries(log: pa.Table) -> pa.Table:
    return one_per(log, "id_search")


@pytest.fixture
def catalogue(log: pa.Table) -> pa.Table:
    return one_per(log, "id_listing", last=True)


def test_market_by_market_equals_the_whole_catalogue_at_once(
    model: TwoTower, queries: pa.Table, catalogue: pa.Table
) -> None:
    bounds = Eligibility.of(queries, catalogue)
    whole = model.retrieve(queries, catalogue, 5, eligible=bounds)
    found = Retriever(model, catalogue).retrieve(queries, 5)
    assert found.select(["id_search", "id_listing", "rank"]).equals(
        whole.select(["id_search", "id_listing", "rank"])
    )


def test_an_indexed_market_finds_what_exact_search_finds(
    model: TwoTower, queries: pa.Table, catalogue: pa.Table
) -> None:
    indexed = Retriever(model, catalogue, INDEXED, probes=queries)
    assert [m.kind for m in indexed.markets.values()] == ["ivf", "ivf"]
    assert min(m.recall for m in indexed.markets.values()) >= 0.99
    exact = Retriever(model, catalogue).retrieve(queries, 5)
    pairs = {(s, i) for s, i, *_ in zip(*indexed.retrieve(queries, 5).columns, strict=True)}
    wanted = {(s, i) for s, i, *_ in zip(*exact.columns, strict=True)}
    assert len(pairs & wanted) >= 0.98 * len(wanted)


def test_an_index_that_finds_too_little_is_refused(
    model: TwoTower, queries: pa.Table, catalogue: pa.Table
) -> None:
    """One cluster of many, and the effort may not rise: recall lies far under 0.99."""
    careless = IndexConfig(at_listings=1, k=2, clusters=12, kind="ivf", efforts=(1,), widest=1)
    with pytest.raises(IndexRecallError, match=r"rio_de_janeiro: the ivf index finds 0\.\d+ of"):
        Retriever(model, catalogue, RetrieverConfig(index=careless), probes=queries)


def test_an_index_without_searches_to_measure_it_on_is_refused(
    model: TwoTower, catalogue: pa.Table
) -> None:
    with pytest.raises(ValueError, match="needs searches"):
        Retriever(model, catalogue, INDEXED)


@pytest.mark.parametrize("config", [RetrieverConfig(), INDEXED])
def test_new_listings_get_their_share_where_there_are_any(
    model: TwoTower, queries: pa.Table, catalogue: pa.Table, config: RetrieverConfig
) -> None:
    new = set(catalogue.filter(catalogue["listing_is_new"])["id_listing"].to_pylist())
    generous = replace(config, new_share=0.4)
    found = Retriever(model, catalogue, generous, probes=queries).retrieve(queries, 5)
    plain = Retriever(model, catalogue, config, probes=queries).retrieve(queries, 5)
    bounds = Eligibility.of(queries, catalogue)
    is_new = torch.from_numpy(
        np.array([name in new for name in catalogue["id_listing"].to_pylist()])
    )
    allowed_new = (bounds(slice(None), slice(None)) & is_new).sum(dim=1)
    for row, name in enumerate(queries["id_search"].to_pylist()):
        mine = found.filter(pc.equal(found["id_search"], name))
        assert sum(i in new for i in mine["id_listing"].to_pylist()) >= min(2, allowed_new[row])
        assert mine["rank"].to_pylist() == list(range(1, mine.num_rows + 1))
        assert mine["score"].to_pylist() == sorted(mine["score"].to_pylist(), reverse=True)
        assert mine.num_rows == plain.filter(pc.equal(plain["id_search"], name)).num_rows
        assert len(set(mine["id_listing"].to_pylist())) == mine.num_rows


def test_kept_places_push_out_the_last_of_the_others() -> None:
    kept = torch.tensor([[0.5, 0.1]]), torch.tensor([[7, 9]])
    found = torch.tensor([[0.9, 0.8, 0.5, 0.4]]), torch.tensor([[1, 2, 7, 3]])
    scores, places = keep_places_for(kept, found)
    assert places.tolist() == [[1, 2, 7, 9]]
    torch.testing.assert_close(scores, torch.tensor([[0.9, 0.8, 0.5, 0.1]]))


def test_kept_places_that_nobody_fills_cost_nothing() -> None:
    nothing = torch.full((1, 2), float("-inf")), torch.full((1, 2), -1)
    found = torch.tensor([[0.9, 0.8]]), torch.tensor([[1, 2]])
    scores, places = keep_places_for(nothing, found)
    torch.testing.assert_close((scores, places), found)


def test_a_prior_brings_a_listing_forward(
    model: TwoTower, queries: pa.Table, catalogue: pa.Table
) -> None:
    prior = np.zeros(catalogue.num_rows, dtype=np.float32)
    prior[3] = 10.0
    market = catalogue["market"][3].as_py()
    found = Retriever(model, catalogue, prior=prior).retrieve(queries, 5)
    bounds = Eligibility.of(queries, catalogue)(slice(None), slice(3, 4))[:, 0]
    first = found.filter(pc.equal(found["rank"], 1))
    leads = dict(zip(first["id_search"].to_pylist(), first["id_listing"].to_pylist(), strict=True))
    name = catalogue["id_listing"][3].as_py()
    asked = queries.filter(pa.array(bounds.numpy()))
    assert asked.num_rows
    assert set(asked["market"].to_pylist()) == {market}
    assert {leads[search] for search in asked["id_search"].to_pylist()} == {name}


def test_a_search_without_a_market_is_answered_from_all(
    model: TwoTower, queries: pa.Table, catalogue: pa.Table
) -> None:
    asked = queries.slice(0, 2)
    nowhere = pa.array([None, "atlantis"], pa.string())
    asked = asked.set_column(asked.column_names.index("market"), "market", nowhere)
    found = Retriever(model, catalogue).retrieve(asked, 5)
    assert set(found["id_search"].to_pylist()) == {asked["id_search"][0].as_py()}
