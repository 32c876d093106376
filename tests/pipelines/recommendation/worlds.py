"""A small trained home, other logs for the same models, and searches made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from data.schema.tables import FEATURES, IMPRESSIONS
from data.schema.time import DAY_S
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import Settings
from pipelines.recommendation.first_cut import Candidates
from pipelines.recommendation.recommended import Recommended
from pipelines.recommendation.scores import feature_blocks
from pipelines.recommendation.table import recommendation_rows
from pipelines.run_context import RunContext

RIO, SAO = "rio_de_janeiro", "sao_paulo"
NOON_S = 12 * 3600
DATES = ("checkin_day", "checkout_day")
# Days after the morning, of check-in and check-out.
SOON, BOOKED_OUT, MONTH = (10, 13), (30, 33), (10, 38)


@dataclass(frozen=True)
class Trained:
    """A home after training, and what it was trained on.

    Attributes:
        context, run: the home, and its run.
        impressions: the whole log.
        morning: the day after the log's last.
    """

    context: RunContext
    run: str
    impressions: pl.DataFrame
    morning: int

    def with_log(
        self,
        root: Path,
        impressions: pl.DataFrame,
        features: pl.DataFrame | None = None,
        **changes: Any,
    ) -> RunContext:
        """Another home: this log, the models of the trained one, and its features or these.

        ``changes``: of the section ``recommendation`` of the settings.
        """
        (root / "lake").mkdir(parents=True)
        for shared in ("runs", f"lake/{FEATURES.name}") if features is None else ("runs",):
            (root / shared).symlink_to(self.context.home.root / shared)
        settings = with_recommendation(self.context.settings, **changes)
        context = RunContext(home=Home(root), settings=settings, console=Console())
        context.lake.replace_all(IMPRESSIONS.name, impressions)
        if features is not None:
            context.lake.replace_all(FEATURES.name, features)
        return context

    def features_before(self, day: int) -> pl.DataFrame:
        """The rows of the features table of earlier days."""
        table = self.context.lake.scan(FEATURES.name)
        return table.filter(pl.col("search_day") < day).collect()


@dataclass(frozen=True)
class Unlike:
    """A home whose guests are unlike the others (:func:`unlike_the_others`), and their lists."""

    context: RunContext
    made: Recommended


def with_recommendation(settings: Settings, **changes: Any) -> Settings:
    section = settings.recommendation.model_copy(update=changes)
    return settings.model_copy(update={"recommendation": section})


def search(
    impressions: pl.DataFrame,
    id_search: str,
    *,
    market: str,
    day: int,
    listings: Sequence[str] | None = None,
    second: int = NOON_S,
    **columns: Any,
) -> pl.DataFrame:
    """Rows of one search that shows these listings (default: three), as the log describes them.

    Without filter, radius, or dates, for one guest, unless ``columns`` say so; nothing is clicked.
    """
    known = impressions.filter(pl.col("market") == market).sort("search_s", "id_search")
    rows = known.unique("id_listing", keep="last", maintain_order=True).sort("id_listing")
    rows = rows.head(3) if listings is None else rows.filter(pl.col("id_listing").is_in(listings))
    plain = {
        "id_user": id_search,
        "id_search": id_search,
        "search_day": day,
        "search_s": day * DAY_S + second,
        "stage": 0,
        "query_num_guests": 1,
        "query_num_children": 0,
        "query_num_infants": 0,
        **dict.fromkeys((*DATES, "contact_day", "book_day"), None),
        **{name: None for name in rows.columns if name.startswith(("query_price", "query_r"))},
    }
    given = plain | columns
    rows = rows.with_columns(
        pl.lit(value).cast(rows.schema[name]).alias(name) for name, value in given.items()
    )
    return rows.with_columns(ds_search=pl.col("search_day").cast(pl.Date))


def unlike_the_others(trained: Trained) -> pl.DataFrame:
    """The log, and on its last day one guest for each case; a search is named after its guest."""
    log, morning = trained.impressions, trained.morning
    last = morning - 1
    of_sao = log.filter(pl.col("market") == SAO)["id_listing"].unique().sort().to_list()

    def asked(guest: str, nights: tuple[int, int] | None = None, **columns: object) -> pl.DataFrame:
        days = dict(zip(DATES, (morning + n for n in nights or ()), strict=bool(nights)))
        return search(log, guest, **{"market": RIO, "day": last, **days, **columns})

    castle = asked("saw the castle", listings=of_sao[:1], market=SAO).with_columns(
        id_listing=pl.lit("castle"),
        market=pl.lit(RIO),
        listing_person_capacity=pl.lit(99).cast(log.schema["listing_person_capacity"]),
        listing_occupancy_rate=pl.lit(0.6).cast(log.schema["listing_occupancy_rate"]),
        listing_minimum_nights=pl.lit(None, log.schema["listing_minimum_nights"]),
        listing_maximum_nights=pl.lit(None, log.schema["listing_maximum_nights"]),
    )
    # Every listing of the market is booked for these nights, and the day after it is known.
    known_by_now = {"stage": 3, "contact_day": last - 1, "book_day": last - 1}
    booked_out = asked(
        "all are booked", BOOKED_OUT, market=SAO, listings=of_sao, day=last - 1, **known_by_now
    )
    undated = [
        asked(f"of paraty {n}", market=SAO, listings=of_sao[:15]).with_columns(
            market=pl.lit("paraty")
        )
        for n in range(3)
    ]
    return pl.concat(
        [
            log,
            asked("has arrived", (-1, 2)),
            asked("dateless"),
            asked("dated", SOON),
            asked("a month", MONTH),
            asked("only the castle", SOON, query_num_guests=50),
            asked("too many", SOON, query_num_guests=1_000),
            asked("too late", BOOKED_OUT, market=SAO, listings=of_sao[:1]),
            asked("in time", SOON, market=SAO, listings=of_sao[:1]),
            castle,
            booked_out,
            *undated,
        ]
    )


def table_of(made: Recommended) -> pl.DataFrame:
    """The rows of ``recommendations``, by guest and place."""
    return recommendation_rows(made).sort("id_search", "rank")


def features_of(made: Recommended, candidates: Candidates) -> pl.DataFrame:
    """The features of these candidates, in their order, as the ranker reads them."""
    ranker = made.serving.ranker
    blocks = list(feature_blocks(candidates, made.source, made.before, ranker.features_read))
    at = pl.Series(np.concatenate([places for places, _ in blocks]))
    return pl.concat([rows for _, rows in blocks])[at.arg_sort()]
