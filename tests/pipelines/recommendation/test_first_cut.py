"""The first cut: the best by value and availability, all that was seen, the best new ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from models.arrow_columns import Codes, Numbers
from pipelines.candidates.candidate_rows import CandidateSource, candidate_source
from pipelines.candidates.eligible_pairs import PairBlock, eligible_pairs
from pipelines.recommendation.day_availability import DayAvailability
from pipelines.recommendation.first_cut import Candidates, Sizes, first_cut, seen_before
from tests.models.stay_price.made_up_log import FIRST_DAY
from tests.pipelines.candidates.price_log import CARNIVAL, guest_asks, price_log

FEW = Sizes(candidates=2, new_candidates=0)


def source_of(queries: int, is_new: Sequence[bool | None]) -> CandidateSource:
    """So many dateless queries in one market, and listings a, b, c, … of it."""
    listings = [chr(ord("a") + place) for place in range(len(is_new))]
    return CandidateSource(
        queries=pl.DataFrame({"id_search": [f"s{q}" for q in range(queries)], "market": "rio"}),
        catalogue=pl.DataFrame(
            {"market": "rio", "id_listing": listings, "listing_is_new": is_new},
            schema_overrides={"listing_is_new": pl.Boolean},
        ),
        prices=None,
        shown=pl.DataFrame(schema={"id_search": pl.String, "id_listing": pl.String}),
    )


def known_free(source: CandidateSource, free_L: Numbers) -> DayAvailability:
    """P(free) of each listing, the same for all queries."""
    queries = source.queries.height
    none = np.full(queries, -1)
    return DayAvailability(
        morning_s=0,
        checkin_Q=none,
        checkout_Q=none,
        is_dated_Q=np.zeros(queries, dtype=bool),
        is_dateless_Q=np.ones(queries, dtype=bool),
        model=None,
        seen=None,
        prior_L=free_L,
    )


def cut(
    source: CandidateSource,
    value: Sequence[float],
    *,
    free: Sequence[float] | None = None,
    seen: list[Codes] | None = None,
    sizes: Sizes = FEW,
) -> Candidates:
    nothing = [np.empty(0, dtype=np.int64)] * source.queries.height
    free_L = np.ones(len(value)) if free is None else np.asarray(free, dtype=np.float64)
    return first_cut(
        eligible_pairs(source.queries, source.catalogue),
        source,
        known_free(source, free_L),
        np.asarray(value, dtype=np.float64),
        nothing if seen is None else seen,
        sizes,
    )


def test_the_best_by_log_value_plus_log_availability_are_kept() -> None:
    source = source_of(1, [False] * 4)
    # a is best but taken, b and c are free, d is worth little
    kept = cut(source, [-1.0, -2.0, -3.0, -6.0], free=[0.01, 0.5, 1.0, 1.0])
    assert kept.listing_C.tolist() == [1, 2]
    assert kept.availability_C.tolist() == [0.5, 1.0]
    # 0.001 is added, so that a listing which is surely taken has a logarithm
    np.testing.assert_allclose(kept.cut_C, [-2 + np.log(0.501), -3 + np.log(1.001)])


def test_without_availability_the_value_decides_and_nothing_is_known_of_it() -> None:
    kept = cut(source_of(1, [False] * 3), [-3.0, -1.0, -2.0], free=[np.nan] * 3)
    assert kept.listing_C.tolist() == [1, 2]
    assert np.isnan(kept.availability_C).all()


def test_everything_that_the_guest_was_shown_is_kept_and_marked() -> None:
    # d, the worst, was seen, and so was b, which is kept anyway
    seen = [np.array([1, 3]), np.array([], dtype=np.int64)]
    kept = cut(source_of(2, [False] * 4), [-1.0, -2.0, -3.0, -9.0], seen=seen)
    rows = list(zip(kept.query_C, kept.listing_C, kept.was_seen_C, strict=True))
    assert rows == [(0, 0, False), (0, 1, True), (0, 3, True), (1, 0, False), (1, 1, False)]


def test_what_was_seen_but_is_not_allowed_is_not_kept() -> None:
    source = source_of(1, [False] * 4)
    # c was seen in another search, and is too far away or too small for this one
    pairs = PairBlock(query_P=np.zeros(3, dtype=np.int64), listing_P=np.array([0, 1, 3]))
    kept = first_cut(
        [pairs],
        source,
        known_free(source, np.ones(4)),
        np.array([-1.0, -2.0, -3.0, -4.0]),
        [np.array([2, 3])],
        Sizes(candidates=1, new_candidates=0),
    )
    assert kept.listing_C.tolist() == [0, 3]
    assert kept.was_seen_C.tolist() == [False, True]


def test_the_best_new_ones_are_kept_beside_the_best() -> None:
    is_new = [False, False, True, True, None]
    sizes = Sizes(candidates=2, new_candidates=1)
    kept = cut(source_of(1, is_new), [-1.0, -2.0, -8.0, -7.0, -9.0], sizes=sizes)
    assert kept.listing_C.tolist() == [0, 1, 3]


def test_all_are_kept_where_fewer_are_allowed_than_asked_for() -> None:
    sizes = Sizes(candidates=10, new_candidates=10)
    kept = cut(source_of(2, [True, False, False]), [-1.0, -2.0, -3.0], sizes=sizes)
    assert kept.query_C.tolist() == [0, 0, 0, 1, 1, 1]
    assert kept.listing_C.tolist() == [0, 1, 2, 0, 1, 2]


def test_the_kept_pairs_are_those_of_a_sort_of_every_query() -> None:
    rng = np.random.default_rng(3)
    source = source_of(30, (rng.random(25) < 0.3).tolist())
    value, free = rng.normal(-5, 1, 25), rng.random(25)
    seen = [np.flatnonzero(rng.random(25) < 0.1) for _ in range(30)]
    sizes = Sizes(candidates=6, new_candidates=2)
    kept = cut(source, value, free=free, seen=seen, sizes=sizes)

    best = np.argsort(-(value + np.log(free + 1e-3)))
    new = [at for at in best if source.catalogue["listing_is_new"][int(at)]]
    always = {*best[:6].tolist(), *new[:2]}
    expected = [(q, at) for q in range(30) for at in sorted(always | set(seen[q].tolist()))]
    assert list(zip(kept.query_C, kept.listing_C, strict=True)) == expected


def test_pairs_come_by_query_whatever_the_order_of_the_markets() -> None:
    source = source_of(4, [False] * 2)
    markets = ["rio", "bahia", "rio", "bahia"]
    source.queries.replace_column(1, pl.Series("market", markets))
    source.catalogue.replace_column(0, pl.Series("market", ["bahia", "rio"]))
    kept = cut(source, [-1.0, -2.0])
    assert kept.query_C.tolist() == [0, 1, 2, 3]
    assert kept.listing_C.tolist() == [1, 0, 1, 0]


def test_no_pair_at_all_is_no_candidate() -> None:
    source = source_of(2, [False] * 2)
    source.queries.replace_column(1, pl.Series("market", ["nowhere"] * 2))
    kept = cut(source, [-1.0, -2.0])
    assert len(kept) == 0
    assert kept.was_seen_C.dtype == bool


def within_filter(source: CandidateSource, guest: str) -> list[str]:
    """The listings that are left to a guest when all sizes are large."""
    pairs = eligible_pairs(source.queries, source.catalogue.drop("listing_nightly_price"))
    listings = source.catalogue.height
    kept = first_cut(
        pairs,
        source,
        known_free(source, np.ones(listings)),
        np.zeros(listings),
        [np.empty(0, dtype=np.int64)] * source.queries.height,
        Sizes(candidates=listings),
    )
    (query,) = source.queries.with_row_index("q").filter(id_search=f"of {guest}")["q"]
    return source.catalogue["id_listing"].gather(kept.listing_C[kept.query_C == query]).to_list()


@pytest.fixture(scope="module")
def priced() -> CandidateSource:
    """Plain nights of l0 … l7 cost 80, 120, … 360; those of Carnival 2.25 times as much each."""
    tuesday = (FIRST_DAY + 22, FIRST_DAY + 23)  # a plain night × 0.9
    unpriced = guest_asks("unpriced", *tuesday).with_columns(id_listing=pl.lit("unpriced"))
    asked = [
        guest_asks("carnival", *CARNIVAL, query_price_max=200.0),
        guest_asks("tuesday", *tuesday, query_price_max=200.0),
        guest_asks("dear carnival", *CARNIVAL, query_price_min=500.0),
        guest_asks("dear tuesday", *tuesday, query_price_min=200.0, query_price_max=300.0),
        guest_asks("dateless", None, None, query_price_max=130.0),
        guest_asks("free", *CARNIVAL),
        unpriced,
    ]
    return candidate_source(price_log(*asked).lazy(), FIRST_DAY + 1)


@pytest.mark.parametrize(
    ("guest", "listings"),
    [
        ("carnival", ["l0"]),  # 80 × 2.25 = 180, 120 × 2.25 = 270
        ("tuesday", ["l0", "l1", "l2", "l3"]),  # 200 × 0.9 = 180, 240 × 0.9 = 216
        ("dear carnival", ["l4", "l5", "l6", "l7"]),  # 200 × 2.25 = 450, 240 × 2.25 = 540
        ("dear tuesday", ["l4", "l5", "l6"]),  # 216 to 288; 360 × 0.9 = 324
        ("dateless", ["l0", "l1"]),
        ("free", [f"l{n}" for n in range(8)]),
    ],
)
def test_the_price_filter_is_about_the_asked_nights(
    priced: CandidateSource, guest: str, listings: list[str]
) -> None:
    # What a listing without any price costs is not known, and forbids nothing.
    assert within_filter(priced, guest) == [*listings, "unpriced"]


def test_seen_before_is_all_that_the_guest_was_ever_shown() -> None:
    log = pl.LazyFrame(
        {
            "id_user": ["ann", "ann", "ann", "bob", None, "ann"],
            "market": ["rio", "rio", "rio", "rio", "rio", "bahia"],
            "id_listing": ["c", "a", "a", "b", "b", "b"],
        }
    )
    source = CandidateSource(
        queries=pl.DataFrame({"id_user": ["eve", "bob", None, "ann"]}),
        catalogue=pl.DataFrame(
            {"market": ["bahia", *["rio"] * 3], "id_listing": ["b", "a", "b", "c"]}
        ),
        prices=None,
        shown=pl.DataFrame(),
    )
    assert [rows.tolist() for rows in seen_before(log, source)] == [[], [2], [], [0, 1, 3]]
    without = CandidateSource(
        source.queries.select(id_search="id_user"), source.catalogue, None, source.shown
    )
    assert [rows.tolist() for rows in seen_before(log.drop("id_user"), without)] == [[]] * 4
