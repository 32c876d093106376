"""A finished home in Python: its tables and figures as pandas frames, its champion to score with.

::

    from pipelines.analysis import open_home

    home = open_home("data/home")
    home.recommendations  # a row per guest and listing recommended
    home.champion().predict(home.search_rows())  # the listings of one search, best first

What a call needs is imported by the call: opening a home loads neither MLflow nor torch nor
LightGBM, nor pandas before the first frame.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import polars.selectors as cs

from data.errors import DataError
from data.schema.feature_set import FeatureSet
from data.schema.market_names import market_in_words
from data.schema.tables import FEATURES, IMPRESSIONS, QUALITY, RECOMMENDATIONS, TABLES
from pipelines.analysis.conclusions.conclusion import Conclusion, listed
from pipelines.config.console import Console
from pipelines.config.home import DEFAULT_HOME, Home
from pipelines.config.palette import MarketColours
from pipelines.config.settings import load_settings
from pipelines.evaluation.kept_diagnostics import read_diagnostic
from pipelines.run_context import RunContext
from pipelines.tracking.model_registry import CHAMPION, RANKER_MODEL
from pipelines.tracking.tracking import point_mlflow_at
from pipelines.training.run_record import RunRecord, load_one, read_record

if TYPE_CHECKING:
    import pandas as pd

    from models.evaluation.scorecard import Scorecard
    from models.recommender import Recommender
    from pipelines.look_up import Found

__all__ = ["FinishedHome", "open_home", "rounded"]

CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class FinishedHome:
    """What can be read of a home that has a trained and evaluated run.

    Attributes:
        context: home and settings.
        record: of the latest run.
    """

    context: RunContext
    record: RunRecord

    @cached_property
    def recommendations(self) -> pd.DataFrame:
        """One row per listing recommended to a guest, by guest, search and rank, as pandas.

        Of a catalogue of millions read ``home.scan("recommendations")`` instead. Raises
        ``DataError`` where none have been made.
        """
        self.context.refuse_without(RECOMMENDATIONS.name, "recommend")
        rows = self.scan(RECOMMENDATIONS.name)
        return rows.sort("id_user", "id_search", "rank").collect().to_pandas()

    @cached_property
    def scorecard(self) -> pd.DataFrame:
        """The figures of the latest run as pandas: one row per model, segment and metric.

        ``value`` with the ends of its 95% interval, ``low`` and ``high`` (null where none is
        known); ``searches`` that it rests on, and ``is_too_few`` where they are too few to read
        it; ``versus``, ``difference`` and its interval beside the reference.
        """
        import pandas as pd

        scores = self.evaluation.scores
        frame = pd.DataFrame(self.evaluation.to_records())
        return frame.assign(is_too_few=[score.is_too_few for score in scores])

    @cached_property
    def evaluation(self) -> Scorecard:
        """The same figures as objects, with what is to be known before one trusts them."""
        from pipelines.evaluation.scorecard_view import read_scorecard

        return read_scorecard(self.context.home)

    @property
    def tables(self) -> pd.DataFrame:
        """The tables of this home: ``table``, what a ``row`` of it is, ``rows``, ``columns``."""
        import pandas as pd

        found = [table for table in TABLES if self.context.lake.exists(table.name)]
        scans = [self.scan(table.name) for table in found]
        return pd.DataFrame(
            {
                "table": [table.name for table in found],
                "row": [table.row for table in found],
                "rows": [scan.select(pl.len()).collect().item() for scan in scans],
                "columns": [len(scan.collect_schema()) for scan in scans],
            }
        )

    def table(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """A table of the lake as pandas, or some of its columns.

        Raises ``DataError`` naming the tables or columns there are.
        """
        scan = self.scan(name)
        unknown = [column for column in columns or () if column not in scan.collect_schema()]
        if unknown:
            known = ", ".join(scan.collect_schema().names())
            raise DataError(f"table {name} has no column {unknown[0]}; it has {known}")
        return (scan if columns is None else scan.select(columns)).collect().to_pandas()

    def scan(self, name: str) -> pl.LazyFrame:
        """A table of the lake, unread, as Polars: for those that are larger than memory.

        Raises ``DataError`` naming the tables there are.
        """
        lake = self.context.lake
        known = [table.name for table in TABLES if lake.exists(table.name)]
        if name not in known:
            raise DataError(
                f"{self.context.home.root} has no table {name}; it has {', '.join(known)}"
            )
        return lake.scan(name)

    def search_rows(self, id_search: str | None = None) -> pd.DataFrame:
        """The rows of the features table of one search: what a model scores.

        Without an id it is the last search of the test window, by time and then by id. Raises
        ``DataError`` for an id that is not in the table.
        """
        rows = self.feature_rows
        if id_search is None:
            tested = rows.filter(pl.col("search_day").is_between(*self.test_days))
            searches = tested.select("search_s", "id_search").unique().collect()
            id_search = searches.sort("search_s", "id_search")["id_search"][-1]
        found = rows.filter(pl.col("id_search") == id_search).sort("id_listing").collect()
        if found.is_empty():
            raise DataError(
                f"the features table has no search {id_search}; "
                'home.table("features", ["id_search"]) lists them'
            )
        return found.to_pandas()

    @property
    def guest(self) -> Callable[..., Found]:
        """One guest looked up: the latest search, what was known, what is recommended and why.

        ``print(home.guest("ID"))``; with ``checkin="2026-02-13", nights=4, guests=2`` it adds
        what the guest would be recommended for these; ``.frame("recommended")`` is a table of
        it. Words and errors of :func:`pipelines.look_up.guest.look_up_guest`.
        """
        from pipelines.look_up import look_up_guest

        return partial(look_up_guest, self.context)

    @property
    def listing(self) -> Callable[..., Found]:
        """One listing looked up; ``home.listing("ID", guest="ID")`` tells why that guest gets it,
        or not: :func:`pipelines.look_up.listing.look_up_listing`.
        """
        from pipelines.look_up import look_up_listing

        return partial(look_up_listing, self.context)

    @property
    def search(self) -> Callable[..., Found]:
        """One search looked up: its results as shown, and as the ranker orders them:
        :func:`pipelines.look_up.search.look_up_search`.
        """
        from pipelines.look_up import look_up_search

        return partial(look_up_search, self.context)

    def champion(self) -> Any:
        """The ranker that recommends, as MLflow serves it: ``champion().predict(rows)``.

        ``predict`` takes rows of the features table, such as :meth:`search_rows`, and gives
        ``id_search, id_listing, rank, score``, best first. The same as
        ``mlflow.pyfunc.load_model("models:/stayrank-ranker@champion")``. Raises ``DataError``
        where the gate has let no ranker through.
        """
        if self.context.tracking.versions.at(RANKER_MODEL, CHAMPION) is None:
            raise DataError(
                f"{self.context.home.root} has no champion: the gate has let no ranker through. "
                f"Why: stayrank promote --why {self.context.home.option}"
            )
        point_mlflow_at(self.context.home, self.context.settings.tracking_uri)
        import mlflow

        return mlflow.pyfunc.load_model(f"models:/{RANKER_MODEL}@{CHAMPION}")

    @property
    def impressions(self) -> pl.LazyFrame:
        """One row per listing shown in a search."""
        return self.scan(IMPRESSIONS.name)

    @property
    def feature_rows(self) -> pl.LazyFrame:
        """The same rows with every feature."""
        return self.scan(FEATURES.name)

    @property
    def features(self) -> FeatureSet:
        """What the feature columns mean."""
        from pipelines.feature_table.build_table import feature_set_of

        return feature_set_of(self.context)

    @property
    def quality(self) -> pl.DataFrame:
        """The ``quality`` table: one row per market, day and measure."""
        return self.scan(QUALITY.name).collect()

    @property
    def test_days(self) -> tuple[int, int]:
        """First and last day of the test window, days since 1970."""
        return self.record.windows["test"]

    @cached_property
    def colours(self) -> MarketColours:
        """The colours of the markets, as on every page: the largest market first."""
        rows = self.impressions.group_by("market").len()
        largest = rows.sort("len", "market", descending=[True, False]).collect()
        return MarketColours.of(largest["market"].to_list())

    @property
    def price_unit(self) -> str:
        """What prices are counted in; most logs do not say their currency."""
        from data.simulator.parameters import SIMULATED_CURRENCY

        is_simulated = self.evaluation.honesty.provenance.is_simulated
        known = self.context.settings.currency or (SIMULATED_CURRENCY if is_simulated else "")
        return known or "in the log's currency"

    def introduction(self) -> Conclusion:
        """What the figures are of: days, markets, simulated guests or not, the latest run."""
        days = self.impressions.select(
            first=pl.col("ds_search").min(), last=pl.col("ds_search").max(), rows=pl.len()
        ).collect()
        first, last, rows = days.row(0)
        guests = "Simulated guests" if self.evaluation.honesty.provenance.is_simulated else "Guests"
        markets = listed([market_in_words(market) for market in sorted(self.colours.markets)])
        return Conclusion(
            f"{guests} who searched in {markets} from {first} to {last}, {rows:,} results shown; "
            f"models of the run {self.record.name}."
        )

    def diagnostic(self, name: str) -> pl.DataFrame:
        """A diagnostic of the run, such as ``ablation``; raises ``DataError`` where it has none."""
        frame = read_diagnostic(self.context.home, self.record.name, name)
        if frame is None:
            raise DataError(f"run {self.record.name} has no {name}; evaluate it: stayrank evaluate")
        return frame

    def model(self, name: str) -> Recommender:
        """A model of the run as it was saved."""
        return load_one(self.context, self.record, name)


def open_home(folder: Path | str | None = None) -> FinishedHome:
    """Open the home at ``folder``, else at ``STAYRANK_HOME``, else the default one.

    From then on MLflow's own functions read this home's models in this process, whatever its
    variables said before; the home opened last counts. Raises ``DataError`` when it holds no
    finished run, saying how to make one.
    """
    root = folder or os.environ.get("STAYRANK_HOME") or CHECKOUT / DEFAULT_HOME
    context = RunContext(home=Home(Path(root)), settings=load_settings(), console=Console())
    record = read_record(context.home, context.home.latest_run().name)
    if not (context.home.report / "scorecard.json").is_file():
        raise DataError(
            f"{root} holds no scorecard yet; make one: stayrank evaluate {context.home.option}"
        )
    point_mlflow_at(context.home, context.settings.tracking_uri)
    return FinishedHome(context=context, record=record)


def rounded(frame: pl.DataFrame, digits: int = 3) -> pd.DataFrame:
    """The frame as pandas, which notebooks print, its floats rounded and its texts whole."""
    import pandas as pd

    pd.set_option("display.max_colwidth", None)
    return frame.with_columns(cs.float().round(digits)).to_pandas()
