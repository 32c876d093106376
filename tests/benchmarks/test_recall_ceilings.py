"""The ceilings of catalogue recall: recall by hand, and a tiny world from end to end."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType

import numpy as np
import polars as pl
import pytest


@pytest.fixture(scope="module")
def ceilings(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("recall_ceilings")


def test_the_listings_worth_most_are_retrieved_and_none_that_is_worth_nothing(
    ceilings: ModuleType,
) -> None:
    search, listing = np.array([0, 0, 0, 1, 1]), np.array([7, 8, 9, 7, 8])
    best = ceilings.best_of(search, listing, np.array([0.1, 0.3, 0.2, 0.0, 0.4]), 2)

    assert best.rows() == [(0, 8), (0, 9), (1, 8)]


def test_recall_is_the_mean_over_searches_of_the_share_of_what_was_taken(
    ceilings: ModuleType,
) -> None:
    """Search 0 took 7 and 8 (booked), search 1 took 7; retrieved are 8 and 9 for 0, 7 for 1."""
    taken = pl.DataFrame(
        {"search": [0, 0, 1], "listing": [7, 8, 7], "is_booked": [False, True, False]}
    )
    retrieved = pl.DataFrame({"search": [0, 0, 1], "listing": [8, 9, 7]})

    assert ceilings.recalls(taken, retrieved) == ((1 / 2 + 1) / 2, 1.0)


def test_without_a_booking_the_recall_of_the_booked_is_unknown(ceilings: ModuleType) -> None:
    taken = pl.DataFrame({"search": [0], "listing": [7], "is_booked": [False]})

    everything, booked = ceilings.recalls(taken, taken.select("search", "listing"))
    assert everything == 1.0
    assert np.isnan(booked)


@pytest.mark.slow
def test_who_knows_taste_and_exposure_finds_more_than_who_knows_one_or_learns(
    run_benchmark: Callable[..., str],
) -> None:
    printed = run_benchmark("recall_ceilings.py", "--small")
    rows = re.findall(r"^(\S.*?) +([\d.]+) +(?:[\d.]+|nan)$", printed, re.MULTILINE)
    recall = {name: float(value) for name, value in rows}

    assert {"exposure alone", "taste alone", "popularity", "als", "als_with_memory"} <= set(recall)
    assert {"two_tower", "candidates"} <= set(recall)
    best = recall.pop("taste and exposure")
    assert all(best > other for other in recall.values()), recall
