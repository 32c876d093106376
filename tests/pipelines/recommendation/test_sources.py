"""Where candidates come from: the whole catalogue of a market, or what the two-tower proposes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.schema.tables import IMPRESSIONS
from pipelines.candidates.eligible_pairs import PairBlock, eligible_pairs
from pipelines.recommendation.candidate_retrieval import retriever_of
from pipelines.recommendation.recommend import recommended_on
from pipelines.recommendation.sources import candidate_pairs, large_markets
from tests.pipelines.recommendation.worlds import RIO, SAO, Trained, Unlike, table_of

Pairs = set[tuple[int, int]]
PROPOSALS = 10


def together(blocks: list[PairBlock]) -> Pairs:
    pairs = [
        pair
        for block in blocks
        for pair in zip(block.query_P.tolist(), block.listing_P.tolist(), strict=True)
    ]
    assert len(pairs) == len(set(pairs))
    return set(pairs)


@pytest.fixture(scope="module")
def allowed(unlike: Unlike) -> Pairs:
    """All pairs but for the price filter, which the estimated price decides on later."""
    source = unlike.made.source
    catalogue = source.catalogue.drop("listing_nightly_price")
    return together(list(eligible_pairs(source.queries, catalogue)))


def blocks_of(unlike: Unlike, large: tuple[str, ...], proposals: int) -> list[PairBlock]:
    made = unlike.made
    value_L = np.linspace(-9, -6, made.source.catalogue.height)
    retriever = retriever_of(unlike.context, made.source, made.serving, value_L) if large else None
    return list(candidate_pairs(made.source, made.seen, large, retriever, proposals=proposals))


def market_of(unlike: Unlike, query: int) -> str:
    return str(unlike.made.source.queries["market"][query])


def test_a_market_is_large_above_the_limit_and_not_at_it(unlike: Unlike) -> None:
    sizes = dict(unlike.made.source.catalogue.group_by("market").len().rows())
    assert sizes["paraty"] < sizes[SAO] != sizes[RIO]
    lesser, greater = sorted((SAO, RIO), key=lambda market: sizes[market])
    assert large_markets(unlike.made.source, sizes[lesser]) == (greater,)
    assert large_markets(unlike.made.source, sizes[lesser] - 1) == tuple(sorted((RIO, SAO)))
    assert large_markets(unlike.made.source, sizes[greater]) == ()


def test_of_small_markets_all_allowed_pairs_are_considered(unlike: Unlike, allowed: Pairs) -> None:
    assert together(blocks_of(unlike, (), PROPOSALS)) == allowed


def test_of_a_large_market_what_is_proposed_and_what_was_seen_is_considered(
    unlike: Unlike, allowed: Pairs
) -> None:
    blocks = blocks_of(unlike, (RIO,), PROPOSALS)
    found = together(blocks)
    assert found < allowed
    small = {pair for pair in allowed if market_of(unlike, pair[0]) != RIO}
    assert small <= found
    of_query: dict[int, set[int]] = {}
    for query, listing in found - small:
        of_query.setdefault(query, set()).add(listing)
    some_proposed = 0
    for query, listings in of_query.items():
        seen = {at for at in unlike.made.seen[query].tolist() if (query, at) in allowed}
        assert seen <= listings
        assert len(listings) <= PROPOSALS + len(seen)
        some_proposed += len(listings - seen)
    assert some_proposed > len(of_query)
    # Every query of the market that allows a listing at all.
    assert of_query.keys() == {q for q, _ in allowed if market_of(unlike, q) == RIO}
    for block in blocks:
        keys = block.query_P * unlike.made.source.catalogue.height + block.listing_P
        assert (np.diff(keys) > 0).all()


def test_with_as_many_proposals_as_listings_all_are_considered_but_for_the_plain_price(
    unlike: Unlike, allowed: Pairs
) -> None:
    """The two-tower's own search reads the price filter against plain nights."""
    source = unlike.made.source
    found = together(blocks_of(unlike, (RIO, SAO), source.catalogue.height))
    unfiltered = set(
        source.queries.with_row_index("at")
        .filter(pl.col("query_price_max").is_null() & pl.col("query_price_min").is_null())["at"]
        .to_list()
    )
    without_filter = {pair for pair in allowed if pair[0] in unfiltered}
    assert len(without_filter) > 1_000
    assert {pair for pair in found if pair[0] in unfiltered} == without_filter
    assert found <= allowed


def test_where_all_are_proposed_the_lists_are_those_of_the_whole_catalogue(
    unlike: Unlike, trained: Trained, tmp_path: Path
) -> None:
    log = unlike.context.lake.scan(IMPRESSIONS.name).collect()
    large = {"whole_catalogue": 0, "proposals": unlike.made.source.catalogue.height}
    context = trained.with_log(tmp_path / "home", log, exposure=False, **large)
    made = recommended_on(context, trained.run, trained.morning)
    # No list depends on another guest's.
    for of in (made, unlike.made):
        assert of.lists.allocation is not None
        assert len(of.lists.allocation.prices) == 0
    no_filter = unlike.made.source.queries.filter(
        pl.col("query_price_max").is_null(), pl.col("query_price_min").is_null()
    )
    whole, proposed = (
        table_of(of).join(no_filter, on="id_search", how="semi", maintain_order="left")
        for of in (unlike.made, made)
    )
    assert whole["id_search"].n_unique() > 20
    assert proposed.equals(whole)
