"""What differs between the newest recommendations and those before: guests, listings, rankers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl
from deltalake.exceptions import DeltaError

from data.counted import counted
from data.lake.store import Lake
from data.schema.tables import RECOMMENDATIONS

__all__ = ["FIRST_PLACES", "RecommendationChange", "change_between", "recommendation_change"]

# Of each list these places are compared: those that people look at, and that lists of any
# length have.
FIRST_PLACES = 10
LISTINGS_NAMED = 3
# Of more rows than this a sample of the guests is compared, so that millions need no more memory.
MOST_ROWS = 2_000_000


@dataclass(frozen=True, kw_only=True)
class RecommendationChange:
    """Two sets of recommendations side by side, by the first ten places of each list.

    Attributes:
        before, now: the days that they are for; the same day where it was made again.
        both, came, went: guests with a list in both, only now, only before.
        same: guests in both whose first ten are the same in the same order.
        places, entered: places of the guests in both, and how many of them hold a listing that
            the guest's ten before did not.
        listings_in, listings_out, listings_kept: listings recommended to anybody only now, only
            before, in both.
        gained, lost: listings with the number of guests more (fewer) that get them, the most
            first.
        rankers_before, rankers_now: versions of the ranker that made them.
        one_in: 1 where every guest is compared, else all counts are of one guest in so many.
    """

    before: date
    now: date
    both: int
    came: int
    went: int
    same: int
    places: int
    entered: int
    listings_in: int
    listings_out: int
    listings_kept: int
    gained: tuple[tuple[str, int], ...]
    lost: tuple[tuple[str, int], ...]
    rankers_before: tuple[str, ...]
    rankers_now: tuple[str, ...]
    one_in: int = 1

    @property
    def since(self) -> str:
        """What is compared with: ``since 2026-01-25``, or a day that was made twice."""
        sample = "" if self.one_in == 1 else f" (of one guest in {self.one_in:,})"
        if self.before == self.now:
            return f"since the recommendations of {self.now} were last made{sample}"
        return f"since the recommendations of {self.before}{sample}"

    @property
    def share_entered(self) -> float:
        """Share of the places that hold another listing than before; 0 without any."""
        return self.entered / self.places if self.places else 0.0

    def lines(self) -> list[str]:
        """The difference, a sentence each."""
        guests = f"{counted(self.both, 'guest')} had a list before and have one now"
        lines = [f"{guests}, {self.came:,} came and {self.went:,} went"]
        if self.both:
            lines.append(
                f"{self.share_entered:.0%} of their first {FIRST_PLACES} places hold a listing "
                f"that was not among the guest's {FIRST_PLACES} before; "
                f"{counted(self.same, 'list')} did not change"
            )
        lines.append(
            f"of the listings that stand in anybody's first {FIRST_PLACES}, "
            f"{self.listings_in:,} entered, {self.listings_out:,} left and "
            f"{self.listings_kept:,} stayed"
        )
        for words, moved, sign in (
            ("recommended to more guests", self.gained, "+"),
            ("recommended to fewer guests", self.lost, "−"),
        ):
            if moved:
                named = ", ".join(f"{name} ({sign}{number:,})" for name, number in moved)
                lines.append(f"{words}: {named}")
        return lines


def recommendation_change(lake: Lake, day: date | None = None) -> RecommendationChange | None:
    """The recommendations of a day, by default the newest, beside the day before it in the table.

    Where the table holds no earlier day, that day beside itself as the table's version before had
    it; ``None`` where there is neither, such as after a home's first run.
    """
    days = sorted({each for _, each in lake.market_days(RECOMMENDATIONS.name)})
    days = [each for each in days if day is None or each <= day]
    if not days or (day is not None and days[-1] != day):
        return None
    table = lake.scan(RECOMMENDATIONS.name)
    one_in = 1 + _rows(table, days[-1]) // MOST_ROWS
    before = (
        _first_places(table, days[-2], one_in)
        if len(days) > 1
        else _as_made_before(lake, days[-1], one_in)
    )
    if before is None:
        return None
    return change_between(before, _first_places(table, days[-1], one_in), one_in)


def change_between(
    before: pl.DataFrame, now: pl.DataFrame, one_in: int = 1
) -> RecommendationChange:
    """Compare two days; columns ``guest``, ``id_listing``, ``rank``, ``ds``, ``ranker_version``.

    One row per guest and listing of the first ten places; neither frame is empty.
    """
    old, new = _lists(before), _lists(now)
    lists = new.join(old, on="guest", how="inner", suffix="_before")
    shared = now.join(before, on=["guest", "id_listing"], how="semi")
    of_both = now.join(old, on="guest", how="semi")
    listings, earlier = _guests_of(now), _guests_of(before)
    moved = listings.join(
        earlier, on="id_listing", how="full", suffix="_before", coalesce=True
    ).with_columns(pl.col("guests", "guests_before").fill_null(0))
    more = moved.with_columns(more=pl.col("guests").cast(pl.Int64) - pl.col("guests_before"))
    return RecommendationChange(
        before=before["ds"][0],
        now=now["ds"][0],
        both=lists.height,
        came=new.height - lists.height,
        went=old.height - lists.height,
        same=lists.filter(pl.col("listings") == pl.col("listings_before")).height,
        places=of_both.height,
        entered=of_both.height - shared.height,
        listings_in=more.filter(pl.col("guests_before") == 0).height,
        listings_out=more.filter(pl.col("guests") == 0).height,
        listings_kept=more.filter((pl.col("guests") > 0) & (pl.col("guests_before") > 0)).height,
        gained=_most(more, sign=1),
        lost=_most(more, sign=-1),
        rankers_before=_rankers(before),
        rankers_now=_rankers(now),
        one_in=one_in,
    )


def _rows(table: pl.LazyFrame, day: date) -> int:
    """Rows of the first places of a day."""
    return int(_of_day(table, day).select(pl.len()).collect().item())


def _of_day(table: pl.LazyFrame, day: date) -> pl.LazyFrame:
    return table.filter((pl.col("ds") == day) & (pl.col("rank") <= FIRST_PLACES))


def _first_places(table: pl.LazyFrame, day: date, one_in: int) -> pl.DataFrame:
    """The first places of a day's lists; a guest without an id is known by the search.

    Of one guest in so many, the same ones on every day.
    """
    guest = pl.coalesce("id_user", "id_search").alias("guest")
    rows = _of_day(table, day).select(guest, "id_listing", "rank", "ds", "ranker_version")
    if one_in > 1:
        rows = rows.filter(pl.col("guest").hash(seed=0) % one_in == 0)
    return rows.collect(engine="streaming")


def _as_made_before(lake: Lake, day: date, one_in: int) -> pl.DataFrame | None:
    """The day as the table's version before held it; ``None`` where that is gone or without it."""
    version = lake.version(RECOMMENDATIONS.name)
    if not version:
        return None
    try:
        before = lake.scan(RECOMMENDATIONS.name, version=version - 1)
        rows = _first_places(before, day, one_in)
    except (OSError, DeltaError, pl.exceptions.PolarsError):
        # cleaned away by the batches, which keep few versions
        return None
    return None if rows.is_empty() else rows


def _lists(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.sort("rank").group_by("guest").agg(listings=pl.col("id_listing"))


def _guests_of(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.group_by("id_listing").agg(guests=pl.len())


def _most(more: pl.DataFrame, *, sign: int) -> tuple[tuple[str, int], ...]:
    change = pl.col("more") * sign
    most = more.filter(change > 0).sort(change, "id_listing", descending=[True, False])
    rows = most.head(LISTINGS_NAMED).select("id_listing", change.alias("change"))
    return tuple((str(listing), int(number)) for listing, number in rows.iter_rows())


def _rankers(rows: pl.DataFrame) -> tuple[str, ...]:
    return tuple(rows["ranker_version"].unique().sort().to_list())
