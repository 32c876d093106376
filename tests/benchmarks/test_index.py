"""Where an index pays: the searches' bounds, and how much the index finds."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType

import pytest
import torch


def number(text: str) -> float:
    return float(text.replace(",", ""))


def test_the_index_benchmark_allows_by_capacity_and_price(
    load_benchmark: Callable[[str], ModuleType],
) -> None:
    index = load_benchmark("index")
    query_QD, listing_LD = index._vectors(30, 2_000, seed=0)
    torch.testing.assert_close(query_QD.norm(dim=1), torch.ones(30))
    torch.testing.assert_close(listing_LD.norm(dim=1), torch.ones(2_000))
    share = float(index._bounds(30, 2_000, seed=0)(slice(None), slice(None)).float().mean())
    # capacity alone allows 0.15 + 0.5 + 0.25 x 0.7 + 0.1 x 0.3 = 0.855 of the pairs; the
    # price allows about two in three of those
    assert 0.45 < share < 0.65


@pytest.mark.slow
def test_an_index_finds_nearly_all_that_exact_search_finds(
    run_benchmark: Callable[..., str],
) -> None:
    printed = run_benchmark("index.py", "--small")
    assert re.search(r"^2,000 listings\n  exact +[\d,]+ searches/s$", printed, re.MULTILINE)
    kinds = re.findall(
        r"^  (hnsw|ivf) +([\d,]+) searches/s  recall ([\d.]+)", printed, re.MULTILINE
    )
    assert [kind for kind, _, _ in kinds] == ["hnsw", "ivf"]
    for kind, rate, recall in kinds:
        assert 0.95 <= float(recall) <= 1.0, kind
        assert number(rate) > 0, kind
