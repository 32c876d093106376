"""Retrieval from a prepared catalogue: per market, exact or indexed, with prior and bonuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.inputs.eligibility import Eligibility
from models.two_tower.inputs.encoder import one_per
from models.two_tower.recommender import TwoTower
from models.two_tower.retrieval.ann_search import IndexConfig, IndexRecallError
from models.two_tower.retrieval.previously_seen import PreviouslySeen
from models.two_tower.retrieval.retriever import PLAIN, Retriever, RetrieverConfig

INDEXED = replace(PLAIN, index=IndexConfig(at_listings=1, k=5, clusters=2, kind="ivf"))


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
    by_market = Retriever(model, catalogue, PLAIN).retrieve(queries, 5)
    assert by_market.select(["id_search", "id_listing", "rank"]).equals(
        whole.select(["id_search", "id_listing", "rank"])
    )


def test_an_indexed_market_finds_what_exact_search_finds(
    model: TwoTower, queries: pa.Table, catalogue: pa.Table
) -> None:
    indexed = Retriever(model, catalogue, INDEXED, probes=queries)
    assert [m.kind for m in indexed.markets.values()] == ["ivf", "ivf"]
    assert min(m.recall for m in indexed.markets.values()) >= 0.99
    exact = Retriever(model, catalogue, PLAIN).retrieve(queries, 5)
    pairs = {(s, i) for s, i, *_ in zip(*indexed.retrieve(queries, 5).columns, strict=True)}
    wanted = {(s, i) for s, i, *_ in zip(*exact.columns, strict=True)}
    assert len(pairs & wanted) >= 0.98 * len(wanted)


def test_an_index_that_finds_too_little_is_refused(
    model: TwoTower, queries: pa.Table, catalogue: pa.Table
) -> None:
    """One cluster of many, and the effort may not rise: recall lies far under 0.99."""
    careless = IndexConfig(at_listings=1, k=2, clusters=12, kind="ivf", efforts=(1,), widest=1)
    with pytest.raises(IndexRecallError, match=r"rio_de_janeiro: the ivf index finds 0\.\d+ of"):
        Retriever(model, catalogue, replace(PLAIN, index=careless), probes=queries)


def test_an_index_without_searches_to_measure_it_on_is_refused(
    model: TwoTower, catalogue: pa.Table
) -> None:
    with pytest.raises(ValueError, match="needs searches"):
        Retriever(model, catalogue, INDEXED)


def test_the_bonus_is_added_to_new_listings_alone(
    model: TwoTower, queries: pa.Table, catalogue: pa.Table
) -> None:
    new = set(catalogue.filter(catalogue["listing_is_new"])["id_listing"].to_pylist())

    def scores(bonus: float) -> dict[tuple[str, str], float]:
        config = replace(PLAIN, new_bonus=bonus)
        table = Retriever(model, catalogue, config).retrieve(queries, catalogue.num_rows)
        pairs = zip(table["id_search"].to_pylist(), table["id_listing"].to_pylist(), strict=True)
        return dict(zip(pairs, table["score"].to_pylist(), strict=True))

    plain, helped = scores(0.0), scores(0.5)
    assert plain.keys() == helped.keys()
    for pair, score in helped.items():
        assert score - plain[pair] == pytest.approx(0.5 * (pair[1] in new), abs=1e-5)


def test_a_prior_brings_a_listing_forward(
    model: TwoTower, queries: pa.Table, catalogue: pa.Table
) -> None:
    prior = pa.array([None, *[0.0, 1.0, 2.0, 90.0], *[1.0] * (catalogue.num_rows - 5)])
    config = replace(PLAIN, prior_weight=1.0)
    table = Retriever(model, catalogue, config, prior=prior).retrieve(queries, 5)
    allowed = Eligibility.of(queries, catalogue)(slice(None), slice(4, 5))[:, 0]
    first = table.filter(pc.equal(table["rank"], 1))
    leads = dict(zip(first["id_search"].to_pylist(), first["id_listing"].to_pylist(), strict=True))
    allowing = queries.filter(pa.array(allowed.numpy()))["id_search"].to_pylist()
    assert allowing
    assert {leads[search] for search in allowing} == {catalogue["id_listing"][4].as_py()}


@pytest.mark.parametrize("config", [PLAIN, replace(INDEXED, prior_weight=0.0, new_bonus=0.0)])
def test_listings_seen_before_are_ranked_as_if_all_scores_were_sorted(
    model: TwoTower, log: pa.Table, queries: pa.Table, catalogue: pa.Table, config: RetrieverConfig
) -> None:
    config = replace(config, shown_bonus=0.2, clicked_bonus=0.1)
    familiar = PreviouslySeen.of(log, catalogue)
    retriever = Retriever(model, catalogue, config, probes=queries)
    retrieved = retriever.retrieve(queries, 5, familiar=familiar)
    score_QL = model.encode_queries(queries) @ retriever.listing_LD.numpy().T
    allowed_QL = Eligibility.of(queries, catalogue)(slice(None), slice(None)).numpy()
    impressions = log.select(["id_user", "id_listing", "search_s", "stage"]).to_pylist()
    column = {name: at for at, name in enumerate(catalogue["id_listing"].to_pylist())}
    for row, query in enumerate(queries.select(["id_search", "id_user", "search_s"]).to_pylist()):
        mine = [
            r
            for r in impressions
            if r["id_user"] == query["id_user"] and r["search_s"] < query["search_s"]
        ]
        seen = {r["id_listing"] for r in mine}
        liked = {r["id_listing"] for r in mine if r["stage"] > 0}
        scores = score_QL[row].copy()
        for name in seen:
            scores[column[name]] += 0.2 + 0.1 * (name in liked)
        scores[~allowed_QL[row]] = -np.inf
        expected = np.sort(scores[np.isfinite(scores)])[::-1][:5]
        here = retrieved.filter(pc.equal(retrieved["id_search"], query["id_search"]))
        np.testing.assert_allclose(here["score"].to_numpy(), expected, atol=1e-5)


def test_a_search_without_a_market_is_answered_from_all(
    model: TwoTower, queries: pa.Table, catalogue: pa.Table
) -> None:
    two = queries.slice(0, 2)
    nowhere = pa.array([None, "atlantis"], pa.string())
    two = two.set_column(two.column_names.index("market"), "market", nowhere)
    table = Retriever(model, catalogue, PLAIN).retrieve(two, 5)
    assert table["id_search"].to_pylist() == [two["id_search"][0].as_py()] * 5
    first = two.slice(0, 1)
    whole = model.retrieve(first, catalogue, 5, eligible=Eligibility.of(first, catalogue))
    assert table["id_listing"].to_pylist() == whole["id_listing"].to_pylist()
