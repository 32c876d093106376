"""New listings: what an order brings by the truth, by hand."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest

from data.simulator.choices import examination
from models.reranking.new_listing_exposure import ExposurePolicy


@pytest.fixture(scope="module")
def new_listings(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("new_listings")


def test_effects_of_an_order(new_listings: ModuleType) -> None:
    """Two results, the new one below: places at 1/4 and 3/4 of the list."""
    rows = pa.table(
        {
            "id_search": ["s", "s"],
            "id_listing": ["x", "y"],
            "stage": [1, 0],
            "listing_is_new": [False, True],
            "p_book_taste": [0.2, 0.1],
            "click_worth": [0.04, 0.0],
        }
    )
    seen = examination(np.array([1, 2]))
    below, above = 1 / np.log2(3), 1.0
    assert new_listings.effects_of(rows, np.array([2.0, 1.0])) == pytest.approx(
        {
            "mean place": 0.75,
            "exposure": below / (below + above),
            "value": 0.04,
            "new": 0.1 * seen[1],
            "all": 0.2 * seen[0] + 0.1 * seen[1],
        }
    )


def test_policies_have_a_name_each(new_listings: ModuleType) -> None:
    names = [new_listings.name_of(policy) for policy in new_listings.POLICIES]
    assert len(set(names)) == len(names)
    assert new_listings.ALONE not in names
    assert new_listings.name_of(ExposurePolicy()) == new_listings.ALONE


@pytest.mark.slow
def test_each_allowed_loss_chooses_a_policy_in_each_world(
    new_listings: ModuleType,
    run_benchmark: Callable[..., str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    work = tmp_path_factory.mktemp("worlds")
    printed = run_benchmark("new_listings.py", "--small", "--work", str(work))
    assert "SIMULATED" in printed
    table = printed.split("chosen on the validation day")[1].split("\n\n")[0]
    chosen = [line.split("|")[3].strip() for line in table.splitlines()[3:]]
    assert len(chosen) == len(new_listings.LOSSES) * len(new_listings.CHOICES)
    assert all(len(line.split(", ")) == 2 for line in chosen)
    assert all(
        name in {new_listings.ALONE, *map(new_listings.name_of, new_listings.POLICIES)}
        for line in chosen
        for name in line.split(", ")
    )
