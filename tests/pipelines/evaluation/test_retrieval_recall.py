"""ALS with the guest's memory: exact, as of each search, and nothing for who has met nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.baselines.implicit_als import ImplicitALS, ImplicitALSConfig
from models.two_tower.retrieval.previously_seen import PreviouslySeen
from pipelines.evaluation import retrieval_recall
from pipelines.evaluation.retrieval_recall import _als_with_memory, _retrieve
from pipelines.recommendation.candidate_retrieval import SEEN_COLUMNS
from tests.models.worlds import windows, world

Pairs = dict[str, dict[str, int]]  # search → listing → rank


class Case:
    """A fitted ALS, the last day's searches, every listing once, and what guests met."""

    def __init__(self) -> None:
        self.train, self.valid, self.test = windows(world())
        config = ImplicitALSConfig(factors=8, threads=1)
        self.als = ImplicitALS([config]).fit(self.train, self.valid)
        self.queries = self.test.select(["id_search", "id_user", "market", "search_s"]).take(
            pa.array(range(0, self.test.num_rows, 10))
        )
        every = pa.concat_tables([self.train, self.valid, self.test])
        firsts = np.unique(every["id_listing"].to_numpy(zero_copy_only=False), return_index=True)
        self.catalogue = every.select(["id_listing", "market"]).take(pa.array(firsts[1]))
        self.met = PreviouslySeen.of(every.select(SEEN_COLUMNS), self.catalogue)
        self.every = every

    def retrieved(self, met: PreviouslySeen) -> Pairs:
        return by_search(_als_with_memory(self.als, self.queries, self.catalogue, met))

    def alone(self) -> Pairs:
        return by_search(_retrieve(self.als, self.queries, self.catalogue, self.test))


@pytest.fixture(scope="module")
def case() -> Case:
    return Case()


def by_search(rows: pa.Table) -> Pairs:
    pairs: Pairs = {}
    for row in rows.to_pylist():
        pairs.setdefault(row["id_search"], {})[row["id_listing"]] = row["rank"]
    return pairs


def expected_scores(case: Case, query: dict[str, Any]) -> dict[str, float]:
    """ALS's score of every listing of the market, the bonus added, one by one."""
    listings = case.catalogue["id_listing"].to_pylist()
    guest = pa.table({"id_user": [query["id_user"]] * len(listings), "id_listing": listings})
    plain = case.als.score(guest)
    shown: set[str] = set()
    clicked: set[str] = set()
    for row in case.every.select(SEEN_COLUMNS).to_pylist():
        is_own = query["id_user"] is not None and row["id_user"] == query["id_user"]
        if is_own and row["search_s"] < query["search_s"]:
            shown.add(row["id_listing"])
            clicked |= {row["id_listing"]} if row["stage"] > 0 else set()
    unit = plain.std()
    weight = {True: 1.0, False: 0.0}
    added = [
        retrieval_recall._SHOWN * weight[name in shown]
        + retrieval_recall._CLICKED * weight[name in clicked]
        for name in listings
    ]
    here = [market == query["market"] for market in case.catalogue["market"].to_pylist()]
    scored = zip(listings, plain + unit * np.asarray(added), here, strict=True)
    return {name: score for name, score, is_here in scored if is_here}


def test_every_listing_stands_where_its_score_and_bonus_put_it(case: Case) -> None:
    found = case.retrieved(case.met)
    for query in case.queries.to_pylist()[:20]:
        scores = expected_scores(case, query)
        ranked = found[query["id_search"]]
        in_order = [scores[name] for name in sorted(ranked, key=lambda name: ranked[name])]
        assert ranked.keys() == scores.keys()
        np.testing.assert_allclose(in_order, sorted(scores.values(), reverse=True), rtol=1e-5)


def test_memory_brings_forward_what_was_met_and_nothing_else(case: Case) -> None:
    alone, found = case.alone(), case.retrieved(case.met)
    for query in case.queries.to_pylist():
        one, other = alone[query["id_search"]], found[query["id_search"]]
        assert one.keys() == other.keys()
        if query["id_user"] is None:
            assert one == other
    assert alone != found


def test_guests_who_met_nothing_get_what_als_alone_retrieves(case: Case) -> None:
    nothing = PreviouslySeen.of(case.every.select(SEEN_COLUMNS).slice(0, 0), case.catalogue)

    assert case.retrieved(nothing) == case.alone()
