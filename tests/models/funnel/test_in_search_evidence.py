"""Whether what a click owes to the other results is place or appeal, by what a log shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit

from data.schema.feature_set import Feature, FeatureSet
from models.funnel.funnel_model import FunnelConfig, FunnelModel
from models.funnel.in_search_evidence import appeal_of_others

NAMES = ("x_own", "in_search_x_rank")
FEATURES = FeatureSet(tuple(Feature(name=n, kind="number", meaning=n, null="never") for n in NAMES))
CONFIG = FunnelConfig(
    max_rounds=80, patience=20, num_leaves=7, min_rows_per_leaf=50, learning_rate=0.1,
    feature_share=1.0, debiasing="none",
)  # fmt: skip
RESULTS = 10


def _log(searches: int, *, appeal: bool, random_share: float, seed: int) -> pa.Table:
    """The cheapest of a search is shown first; it is clicked for its place, or for being cheap.

    ``in_search_x_rank`` is the rank by price, ``x_own`` what makes a listing liked anywhere.
    """
    rng = np.random.default_rng(seed)
    own, price = rng.normal(size=(2, searches, RESULTS))
    rank = price.argsort(axis=1).argsort(axis=1) + 1
    is_random = rng.random(searches) < random_share
    random_place = rng.random((searches, RESULTS)).argsort(axis=1).argsort(axis=1) + 1
    position = np.where(is_random[:, None], random_place, rank)
    pull = -0.25 * (rank if appeal else position)
    clicked = rng.random((searches, RESULTS)) < expit(-0.5 + own + pull)
    ids = np.arange(searches * RESULTS)
    return pa.table(
        {
            "id_search": pa.array([f"s{seed}-{i // RESULTS}" for i in ids]),
            "id_user": pa.array([f"g{seed}-{i // (3 * RESULTS)}" for i in ids]),
            "id_listing": pa.array([f"l{i}" for i in ids]),
            "market": pa.array(["rio_de_janeiro"] * len(ids)),
            "stage": pa.array(clicked.ravel().astype(np.int8)),
            "position": pa.array(position.ravel().astype(np.int32)),
            "is_random_order": pa.array(np.repeat(is_random, RESULTS)),
            "x_own": pa.array(own.ravel()),
            "in_search_x_rank": pa.array(rank.ravel().astype(np.float64)),
        }
    )


def _fitted(*, appeal: bool, random_share: float = 0.15, drop: tuple[str, ...] = ()) -> FunnelModel:
    parts = [
        _log(n, appeal=appeal, random_share=random_share, seed=s).drop_columns(list(drop))
        for n, s in ((4_000, 1), (1_500, 2))
    ]
    return FunnelModel(FEATURES, CONFIG).fit(*parts)


@pytest.mark.parametrize("drop", [(), ("position",)])
def test_place_stays_apart_and_appeal_is_kept(drop: tuple[str, ...]) -> None:
    place, appeal = (_fitted(appeal=is_appeal, drop=drop) for is_appeal in (False, True))

    assert place.evidence["in_search"] == "apart"
    assert appeal.evidence["in_search"] == "kept"
    assert {m.evidence["in_search.source"] for m in (place, appeal)} == {"random order"}


def test_places_alone_tell_where_no_search_was_in_random_order() -> None:
    drop = ("is_random_order",)
    place = _fitted(appeal=False, drop=drop)

    assert place.evidence["in_search.source"] == "position"
    assert place.evidence["in_search"] == "apart"


def test_log_that_cannot_tell_keeps_it_apart() -> None:
    model = _fitted(appeal=True, drop=("position", "is_random_order"))

    assert model.evidence["in_search"] == "apart"
    assert model.evidence["in_search.source"] == "none"


def test_what_is_apart_moves_no_score_and_what_is_kept_does() -> None:
    rows = _log(50, appeal=True, random_share=0.0, seed=3)
    at = rows.column_names.index("in_search_x_rank")
    changed = rows.set_column(at, "in_search_x_rank", pa.array(np.full(rows.num_rows, 1.0)))
    place, appeal = _fitted(appeal=False), _fitted(appeal=True)

    np.testing.assert_array_equal(place.score(rows), place.score(changed))
    assert (appeal.score(rows) != appeal.score(changed)).any()


def test_listing_never_shown_stands_in_the_middle_even_where_others_have_a_say() -> None:
    model = _fitted(appeal=True)
    rows = _log(50, appeal=True, random_share=0.0, seed=4)
    at = rows.column_names.index("in_search_x_rank")
    middle = pa.array(np.full(rows.num_rows, model.stages.neutral["in_search_x_rank"]))

    np.testing.assert_array_equal(
        model.score(rows.drop(["in_search_x_rank"])),
        model.score(rows.set_column(at, "in_search_x_rank", middle)),
    )


def test_few_clicks_in_random_order_show_nothing() -> None:
    rows = _log(60, appeal=True, random_share=1.0, seed=5)
    owed = -0.25 * rows["in_search_x_rank"].to_numpy()
    own = rows["x_own"].to_numpy()
    clicks = int((rows["stage"].to_numpy() > 0).sum())

    found = appeal_of_others(rows, own, owed, fewest_clicks=clicks)
    assert found.source == "random order"
    assert found.estimate == pytest.approx(1.0, abs=0.5)
    none = appeal_of_others(rows.drop(["position"]), own, owed, fewest_clicks=clicks + 1)
    assert (none.source, none.is_kept) == ("none", False)


def test_unknown_choice_is_refused() -> None:
    with pytest.raises(ValueError, match="in_search"):
        replace(CONFIG, in_search="sometimes")  # type: ignore[arg-type]
