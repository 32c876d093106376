"""What lists are worth by the simulator's truth, over the whole catalogue; simulated logs alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from data.schema.tables import BOOKED, IMPRESSIONS
from data.simulator.catalogue_truth import CatalogueTruth, examined_at
from data.simulator.scenario import SimulationConfig
from data.simulator.searches import Queries
from models.arrow_columns import Codes, Numbers
from models.evaluation.ratio_metric import RatioMetric
from models.evaluation.recommended_lists import (
    CatalogueBounds,
    Lists,
    Stays,
    bookings_per_1000,
    bookings_together,
    catalogue_bounds,
    free_share,
    g_metric,
    most_common_listing,
    new_listing_exposure,
    top_listings_share,
)
from pipelines.candidates.candidate_rows import CandidateSource
from pipelines.candidates.stay_log import market_codes
from pipelines.evaluation.rival_lists import lists_by
from pipelines.feature_table.arrow_conversion import arrow
from pipelines.recommendation.recommended import Recommended
from pipelines.run_context import RunContext

__all__ = ["ListTruth", "TruthSample", "metrics_by_model", "open_truth"]

Mask = np.ndarray[Any, np.dtype[np.bool_]]

K = 10
_LONGEST = 10
_MANY = 500  # pairs of a query
_WITH_OBSERVABLES = 100
"""Guests for whom the taste is integrated out too, which takes a hundred times as long."""


@dataclass(frozen=True, kw_only=True)
class TruthSample:
    """The guests that are measured: those who can still book.

    Attributes:
        rows: their rows of the day's queries.
        queries: as the simulator knows them.
        truth: the world.
    """

    rows: Codes
    queries: Queries
    truth: CatalogueTruth


def open_truth(context: RunContext, made: Recommended) -> TruthSample | None:
    """The simulated world behind the log, as the log left it; ``None`` where there is none."""
    try:
        saved = json.loads(context.home.simulated_world.read_text())
        config = SimulationConfig.of_dict(saved)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    read = ["id_search", "id_user", "id_listing", "stage"]
    booked = context.lake.scan(IMPRESSIONS.name).select(read)
    booked = booked.filter(pl.col("stage") == int(BOOKED))
    try:
        truth = CatalogueTruth(config, arrow(booked.collect(engine="streaming")))
        queries = truth.queries(
            arrow(made.source.queries.select("id_search")), _as_asked(made.source), made.day
        )
        truth.listings(arrow(made.source.catalogue)["id_listing"])
    except (ValueError, pa.ArrowInvalid):
        return None  # a log of other ids lies in the same home
    can_book = ~truth.has_booked[queries.guest]
    can_book &= made.availability.is_dated_Q | made.availability.is_dateless_Q
    rows = np.flatnonzero(can_book)
    return TruthSample(rows=rows, queries=queries.rows(rows), truth=truth)


def _as_asked(source: CandidateSource) -> dict[str, Numbers]:
    names = ("radius", "price_min", "price_max")
    columns = (source.queries[f"query_{name}"].cast(pl.Float64) for name in names)
    values = [column.fill_null(float("nan")).to_numpy() for column in columns]
    return dict(zip(names, values, strict=True))


class ListTruth:
    """Bounds over the whole catalogue, and the metrics of any lists between them.

    Attributes:
        oracle: the best lists under taste.
    """

    def __init__(self, made: Recommended, sample: TruthSample) -> None:
        self._made, self._sample = made, sample
        ids = arrow(made.source.catalogue)["id_listing"]
        self._number_L = sample.truth.listings(ids)
        self._bounds, self.oracle = self._bounds_and_oracle()
        self._observed = self._observable_bounds()

    @property
    def guests(self) -> Codes:
        """Rows of the day's queries that are measured."""
        return self._sample.rows

    def metrics(self, lists: Lists) -> list[RatioMetric]:
        """G, expected bookings apart and together, free nights, concentration; over the guests."""
        own = self._own(lists)
        queries = len(self.guests)
        number = self._number_L[own.listing_R]
        pairs = self._sample.truth.worth(self._sample.queries, own.query_R, number)
        examined = examined_at(_LONGEST)
        asked = self._sample.queries
        is_dated = np.asarray(asked.is_dated)
        market = self._market_codes()
        metrics = [
            g_metric(own, pairs.taste, self._bounds["taste"], name="taste"),
            g_metric(own, pairs.taste, self._bounds["taste_known_free"], name="taste_known_free"),
            bookings_per_1000(own, pairs.taste, examined, queries=queries),
            *bookings_together(
                own,
                pairs.taste,
                examined,
                Stays(first_night_Q=asked.checkin, end_night_Q=asked.checkin + asked.nights),
            ).metrics(),
            free_share(own, pairs.is_free, is_dated, k=K),
            most_common_listing(own, market, k=K),
            top_listings_share(own, market, k=K),
            new_listing_exposure(own, self._is_new()[own.listing_R], queries=queries, k=K),
        ]
        return [*metrics, self._g_observables(own)]

    def lists_if_free_were_known(self) -> Lists:
        """The candidates by score, of those that are free in truth."""
        candidates = self._made.scored.candidates
        row_of = np.full(self._made.source.queries.height, -1)
        row_of[self.guests] = np.arange(len(self.guests))
        at = np.flatnonzero(row_of[candidates.query_C] >= 0)
        query, listing = candidates.query_C[at], candidates.listing_C[at]
        pairs = self._sample.truth.worth(
            self._sample.queries, row_of[query], self._number_L[listing]
        )
        free = np.flatnonzero(pairs.is_free)
        score = self._made.scored.score_C[at]
        return lists_by("free_known", query[free], listing[free], score[free])

    def availability_pairs(self, made: Recommended, guests: int = 1_000) -> tuple[Mask, Numbers]:
        """Whether pairs are free, and P(free), of all that some guests' dated searches allow."""
        dated = np.flatnonzero(made.availability.is_dated_Q[self.guests])[:guests]
        row_of_number = np.full(len(self._sample.truth.catalogue), -1)
        row_of_number[self._number_L] = np.arange(len(self._number_L))
        free: list[Mask] = []
        predicted: list[Numbers] = []
        for pairs in self._sample.truth.pairs(self._sample.queries.rows(dated)):
            listing = row_of_number[pairs.listing]
            known = np.flatnonzero(listing >= 0)
            query = self.guests[dated[pairs.search[known]]]
            free.append(pairs.is_free[known])
            predicted.append(made.availability.of_pairs(query, listing[known]))
        return np.concatenate(free), np.concatenate(predicted)

    def _own(self, lists: Lists) -> Lists:
        """The lists of the measured guests, numbered by them."""
        row_of = np.full(self._made.source.queries.height, -1)
        row_of[self.guests] = np.arange(len(self.guests))
        query = row_of[lists.query_R]
        at = np.flatnonzero((query >= 0) & (lists.place_R <= _LONGEST))
        return Lists(
            model=lists.model,
            query_R=query[at],
            place_R=np.asarray(lists.place_R[at], dtype=np.int64),
            listing_R=lists.listing_R[at],
        )

    def _bounds_and_oracle(self) -> tuple[dict[str, CatalogueBounds], Lists]:
        queries = len(self.guests)
        row_of_number = np.full(len(self._sample.truth.catalogue), -1)
        row_of_number[self._number_L] = np.arange(len(self._number_L))
        names = ("taste", "taste_known_free")
        none = np.zeros(0, dtype=np.int64)
        bounds = {n: catalogue_bounds(none, np.zeros(0), queries=queries, k=K) for n in names}
        best: list[tuple[Codes, Codes, Numbers]] = []
        for pairs in self._sample.truth.pairs(self._sample.queries):
            free = pairs.is_free
            for name, mask in zip(names, (np.ones(len(free), dtype=bool), free), strict=True):
                part = catalogue_bounds(pairs.search[mask], pairs.taste[mask], queries=queries, k=K)
                bounds[name] = bounds[name] + part
            # Of many pairs the best are above their mean: a tenth of them is left to sort.
            sums = np.bincount(pairs.search, pairs.taste, minlength=queries)
            sizes = np.bincount(pairs.search, minlength=queries)
            mean = np.where(sizes > _MANY, sums / np.maximum(sizes, 1), 0.0)
            worth = pairs.taste >= mean[pairs.search]
            known = np.flatnonzero(worth & (row_of_number[pairs.listing] >= 0))
            top = lists_by(
                "oracle_taste",
                pairs.search[known],
                row_of_number[pairs.listing[known]],
                pairs.taste[known],
            )
            best.append((self.guests[top.query_R], top.listing_R, -top.place_R.astype(float)))
        query, listing, order = (np.concatenate(part) for part in zip(*best, strict=True))
        return bounds, lists_by("oracle_taste", query, listing, order)

    def _observable_bounds(self) -> tuple[Codes, Queries, Numbers, CatalogueBounds]:
        """A fixed sample of guests, their queries, weights of tastes, and bounds."""
        rng = np.random.default_rng(0)
        size = min(_WITH_OBSERVABLES, len(self.guests))
        chosen = np.sort(rng.choice(len(self.guests), size=size, replace=False))
        queries = self._sample.queries.rows(chosen)
        weights = self._sample.truth.taste_weights(queries, self._shown(chosen))
        none = np.zeros(0, dtype=np.int64)
        bounds = catalogue_bounds(none, np.zeros(0), queries=len(self.guests), k=K)
        for pairs in self._sample.truth.pairs(queries, weights=weights):
            observed = np.zeros(0) if pairs.observables is None else pairs.observables
            bounds = bounds + catalogue_bounds(
                chosen[pairs.search], observed, queries=len(self.guests), k=K
            )
        return chosen, queries, weights, bounds

    def _shown(self, chosen: Codes) -> tuple[Codes, Codes]:
        """What the last searches of these guests showed: row among them, number of the listing."""
        source = self._made.source
        ids = source.queries["id_search"].gather(self.guests[chosen])
        numbered = pl.DataFrame({"id_search": ids}).with_row_index("row")
        shown = source.shown.join(numbered, on="id_search").sort("row", "id_listing")
        numbers = self._sample.truth.listings(arrow(shown)["id_listing"])
        return shown["row"].cast(pl.Int64).to_numpy(), numbers

    def _g_observables(self, own: Lists) -> RatioMetric:
        chosen, queries, weights, bounds = self._observed
        row_of = np.full(len(self.guests), -1)
        row_of[chosen] = np.arange(len(chosen))
        at = np.flatnonzero(row_of[own.query_R] >= 0)
        number = self._number_L[own.listing_R[at]]
        pairs = self._sample.truth.worth(queries, row_of[own.query_R[at]], number, weights=weights)
        sampled = Lists(
            model=own.model,
            query_R=own.query_R[at],
            place_R=own.place_R[at],
            listing_R=own.listing_R[at],
        )
        observed = np.zeros(0) if pairs.observables is None else pairs.observables
        return g_metric(sampled, observed, bounds, name="observables")

    def _market_codes(self) -> Codes:
        codes = market_codes(self._made.source.catalogue)
        market = self._made.source.queries["market"].gather(self.guests)
        return market.replace_strict(codes, default=-1, return_dtype=pl.Int64).to_numpy()

    def _is_new(self) -> Numbers:
        catalogue = self._made.source.catalogue
        if "listing_is_new" not in catalogue.columns:
            return np.full(catalogue.height, np.nan)
        is_new = catalogue["listing_is_new"].cast(pl.Float64).fill_null(float("nan"))
        return is_new.to_numpy()


def metrics_by_model(truth: ListTruth, lists: Mapping[str, Lists]) -> dict[str, list[RatioMetric]]:
    """The metrics of every model's lists, those of the oracle and of known nights beside them."""
    every = {**lists, "free_known": truth.lists_if_free_were_known(), "oracle_taste": truth.oracle}
    return {name: truth.metrics(of_model) for name, of_model in every.items()}
