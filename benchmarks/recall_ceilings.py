"""What recall@100 over the catalogue can reach, and what it rewards, in a simulated world.

Recall over the catalogue counts which of the listings that a guest took are among the 100
retrieved. A guest takes what was shown and looked at, so that it rewards guessing what today's
results would show as well as knowing the guest. Three orders of everything that a search allows
say how much is to be had, each knowing what no model knows:

    taste and exposure  P(shown and looked at) × P(clicked | the guest's taste, looked at)
    exposure alone      P(shown and looked at): a perfect imitator of today's results
    taste of the free   P(clicked | the guest's taste, looked at), of what could be shown
    taste alone         the same of all that the search allows, nights taken or not

P(shown and looked at) is the mean over ``--draws`` draws of each search's results, with the
nights taken that were booked before the test day; few draws make the first two look smaller
than they are. The first is the ceiling of this metric. The last two are what guests want.
SIMULATED data.

Run: python benchmarks/recall_ceilings.py --home DIR      a home of a finished run
     python benchmarks/recall_ceilings.py                 a world of its own, trained here
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from data.schema.tables import BOOKED, IMPRESSIONS
from data.simulator.catalogue_truth import CatalogueTruth
from data.simulator.choices import examination, offers_of, probabilities, taste_of
from data.simulator.prices import quote
from data.simulator.results import Shown, show_results
from data.simulator.scenario import SimulationConfig
from data.simulator.searches import Queries
from data.time_split import Windows
from models.row_source import read_all
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.evaluation.retrieval_recall import RETRIEVED, Retrieval, retrieval_of
from pipelines.feature_table.arrow_conversion import arrow, frame_of
from pipelines.feature_table.build_table import build_features_table, feature_set_of
from pipelines.feature_table.training_rows import evaluation_rows
from pipelines.ingestion.ingest_logs import ingest_logs
from pipelines.ingestion.simulate_log import simulate_log
from pipelines.recommendation.candidate_retrieval import listing_prior
from pipelines.run_context import RunContext
from pipelines.training.exposure_policy import log_scores
from pipelines.training.run_record import RunRecord, load_models, read_record
from pipelines.training.train import train

Array = np.ndarray[Any, np.dtype[Any]]

MODELS = ("popularity", "als", "two_tower", "ranker")
CEILINGS = ("taste and exposure", "exposure alone", "taste of the free", "taste alone")
# Searches whose results are drawn, and whose listings are valued, at one time.
AT_ONCE = 200


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What is measured on: what was taken, the searches and the world behind them.

    Attributes:
        taken: ``search`` (row of ``queries``), ``listing`` (number), ``is_booked``.
        queries: as the simulator knows them.
        truth: the world as the test day found it.
        k: retrieved per search.
    """

    taken: pl.DataFrame
    queries: Queries
    truth: CatalogueTruth
    k: int


def main() -> None:
    """Print the ceilings and, beside them, what the models of the home retrieve."""
    options = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        context = _context(options, Path(folder))
        record = read_record(context.home, context.home.latest_run().name)
        retrieval = _retrieved(context, record)
        ids = _sampled(retrieval.queries, options)
        measured = _measured(context, record, retrieval, ids, options.k)
        found = dict(_by_ceiling(measured, options))
        for model, table in retrieval.retrieved.items():
            found[model] = _numbered(frame_of(table), ids, measured)
    print(f"SIMULATED: {len(ids):,} searches of the test day in which something was taken")
    print(f"recall@{options.k} of what they took among what they were shown, retrieved from the")
    print(f"whole catalogue; exposure from {options.draws} draws\n")
    print(f"{'':22}{'taken':>10}{'booked':>10}")
    for name, pairs in found.items():
        everything, booked = recalls(measured.taken, pairs)
        print(f"{name:22}{everything:10.3f}{booked:10.3f}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="a finished run on a simulated log")
    parser.add_argument("--searches", type=int, default=60_000, help="of the world without --home")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draws", type=int, default=400, help="of each search's results")
    parser.add_argument("--sample", type=int, default=2_000, help="searches that are measured")
    parser.add_argument("--k", type=int, default=RETRIEVED)
    parser.add_argument("--small", action="store_true", help="a tiny world")
    options = parser.parse_args()
    if options.small:
        options.searches, options.draws, options.sample, options.k = 1_500, 200, 200, 10
    return options


def _context(options: argparse.Namespace, folder: Path) -> RunContext:
    """The home that was given, or a world of its own, trained."""
    if options.home is not None:
        return RunContext(Home(options.home), load_settings(seed=options.seed), Console())
    small: dict[str, Any] = {}
    if options.small:
        small = {"two_tower": {"epochs": 1}, "ranker": {"max_rounds": 20}}
    settings = load_settings(
        seed=options.seed, simulation={"searches": options.searches}, models=MODELS, **small
    )
    context = RunContext(Home(folder), settings, Console())
    ingest_logs(context, [simulate_log(context)])
    build_features_table(context)
    train(context)
    return context


def _retrieved(context: RunContext, record: RunRecord) -> Retrieval:
    models = {n: m for n, m in load_models(context, record).items() if n in MODELS}
    rows = evaluation_rows(context, Windows(**record.windows), feature_set_of(context))
    prior = None
    if "ranker" in models:
        valid = read_all(rows.valid)
        prior = listing_prior(valid, log_scores(models["ranker"].score(valid)))
    retrieval = retrieval_of(context, models, rows, prior=prior)
    if retrieval is None:
        raise SystemExit("nothing was taken on the test day; simulate more searches")
    return retrieval


def _sampled(queries: pl.DataFrame, options: argparse.Namespace) -> pl.Series:
    """Ids of the searches that are measured, ascending."""
    ids = queries["id_search"].sort()
    return ids.sample(min(options.sample, len(ids)), seed=options.seed).sort()


def _measured(
    context: RunContext, record: RunRecord, retrieval: Retrieval, ids: pl.Series, k: int
) -> Measured:
    config = SimulationConfig.of_dict(json.loads(context.home.simulated_world.read_text()))
    read = ["id_search", "id_user", "id_listing", "stage", "search_day"]
    before = context.lake.scan(IMPRESSIONS.name).select(read)
    # What is booked on the test day itself was free when it was shown.
    before = before.filter(
        pl.col("stage") == int(BOOKED), pl.col("search_day") < record.windows["test"][0]
    )
    truth = CatalogueTruth(config, arrow(before.collect(engine="streaming")))
    rows = pl.DataFrame({"id_search": ids}).join(
        retrieval.queries, on="id_search", how="left", maintain_order="left"
    )
    names = ("radius", "price_min", "price_max")
    asked = {n: rows[f"query_{n}"].cast(pl.Float64).fill_null(np.nan).to_numpy() for n in names}
    queries = truth.queries(arrow(rows.select("id_search")), asked)
    taken = _by_row(retrieval.taken, ids).select(
        "search",
        is_booked=pl.col("stage") == int(BOOKED),
        listing=pl.Series(truth.listings(arrow(_by_row(retrieval.taken, ids))["id_listing"])),
    )
    return Measured(taken=taken, queries=queries, truth=truth, k=k)


def _by_row(rows: pl.DataFrame, ids: pl.Series) -> pl.DataFrame:
    """Those rows whose search is among ``ids``, with its place there as ``search``."""
    numbered = pl.DataFrame({"id_search": ids}).with_row_index("search")
    return rows.join(numbered, on="id_search", maintain_order="left")


def _numbered(retrieved: pl.DataFrame, ids: pl.Series, measured: Measured) -> pl.DataFrame:
    """What a model retrieved: ``search``, ``listing``."""
    rows = _by_row(retrieved.filter(pl.col("rank") <= measured.k), ids)
    number = measured.truth.listings(arrow(rows)["id_listing"])
    return rows.select("search", listing=pl.Series(number))


def _by_ceiling(
    measured: Measured, options: argparse.Namespace
) -> Iterator[tuple[str, pl.DataFrame]]:
    """The ``k`` best listings of each search in each order that no model knows."""
    parts: dict[str, list[pl.DataFrame]] = {name: [] for name in CEILINGS}
    rng = np.random.default_rng(options.seed)
    rows = np.arange(len(measured.queries))
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        queries = measured.queries.rows(part)
        search, listing, can_be_shown = _allowed(measured.truth, queries)
        taste = _clicks(measured.truth, queries, search, listing)
        exposure = _exposure(measured.truth, queries, search, listing, rng, options.draws)
        worths = (taste * exposure, exposure, taste * can_be_shown, taste)
        orders = dict(zip(CEILINGS, worths, strict=True))
        for name, worth in orders.items():
            best = best_of(search, listing, worth, measured.k)
            parts[name].append(best.with_columns(search=pl.col("search") + start))
    yield from ((name, pl.concat(of_name)) for name, of_name in parts.items())


def _allowed(truth: CatalogueTruth, queries: Queries) -> tuple[Array, Array, Array]:
    """Search and listing of every pair that the searches allow, and whether it could be shown.

    A dated search shows only what is free on its nights.
    """
    pairs = list(truth.pairs(queries))
    search, listing, is_free = (
        np.concatenate([getattr(part, name) for part in pairs])
        for name in ("search", "listing", "is_free")
    )
    return search, listing, is_free | ~queries.is_dated[search]


def _clicks(truth: CatalogueTruth, queries: Queries, search: Array, listing: Array) -> Array:
    """P(clicked | taste, looked at) of each pair."""
    shown = Shown(
        search=search,
        listing=listing,
        position=np.ones(len(search), dtype=np.int32),
        is_random_order=np.zeros(len(search), dtype=bool),
        propensity=np.full(len(search), np.nan),
        price=quote(truth.config, truth.catalogue, truth.prices, queries, (search, listing)),
    )
    world = (truth.catalogue, truth.retrieval, truth.calendar)
    offers = offers_of(truth.config, world, queries, shown)
    taste = taste_of(truth.config.choice, truth.guests, queries, search)
    return np.asarray(probabilities(offers, taste).click, dtype=np.float64)


def _exposure(
    truth: CatalogueTruth,
    queries: Queries,
    search: Array,
    listing: Array,
    rng: np.random.Generator,
    draws: int,
) -> Array:
    """P(shown and looked at) of each pair, the mean over ``draws`` draws of the results."""
    listings = len(truth.catalogue)
    cells = np.zeros(len(queries) * listings)
    world = (truth.catalogue, truth.prices, truth.retrieval, truth.calendar)
    for _ in range(draws):
        _, shown = show_results(truth.config, world, queries, rng)
        cells += np.bincount(
            shown.search * listings + shown.listing,
            weights=examination(shown.position),
            minlength=len(cells),
        )
    mean: Array = cells[search * listings + listing] / draws
    return mean


def best_of(search: Array, listing: Array, worth: Array, k: int) -> pl.DataFrame:
    """The ``k`` pairs of each search that are worth most; none that is worth nothing."""
    pairs = pl.DataFrame({"search": search, "listing": listing, "worth": worth})
    return (
        pairs.filter(pl.col("worth") > 0)
        .sort("search", "worth", "listing", descending=[False, True, False])
        .group_by("search", maintain_order=True)
        .head(k)
        .select(pl.col("search").cast(pl.UInt32), pl.col("listing").cast(pl.Int64))
    )


def recalls(taken: pl.DataFrame, retrieved: pl.DataFrame) -> tuple[float, float]:
    """Mean over the searches of the share retrieved: of what was taken, and of what was booked.

    NaN where no search has any.
    """
    hits = retrieved.select("search", "listing").unique().with_columns(hit=pl.lit(1.0))
    rows = taken.join(hits, on=["search", "listing"], how="left").with_columns(
        pl.col("hit").fill_null(0.0)
    )
    values = []
    for part in (rows, rows.filter("is_booked")):
        shares = part.group_by("search").agg(pl.col("hit").mean())["hit"].sort()
        values.append(float(shares.sum()) / len(shares) if len(shares) else float("nan"))
    return values[0], values[1]


if __name__ == "__main__":
    main()
