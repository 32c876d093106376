"""Speed of the two-tower: its random log, the plain trainer beside it, and the rates printed."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch


@pytest.fixture(scope="module")
def speed(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("two_tower")


def number(text: str) -> float:
    return float(text.replace(",", ""))


def test_the_random_log_asks_in_the_market_of_what_was_chosen(speed: ModuleType) -> None:
    data = speed.made_up(positives=50, listings=20, history=3, seed=0)
    chosen = data.positives.listing_P
    assert data.queries.market_S.tolist() == data.catalogue.market_L[chosen].tolist()
    assert chosen.min() >= 1  # row 0 of the catalogue is no listing
    assert set(data.queries.market_S.tolist()) == {1, 2}


def test_a_row_of_the_plain_trainer_is_its_positive_and_then_the_history(
    speed: ModuleType,
) -> None:
    data = speed.made_up(positives=50, listings=20, history=3, seed=0)
    row = speed.OneRow(data)[7]
    expected = [data.positives.listing_P[7], *data.queries.history_SH[7]]
    assert row["listing_id"].tolist() == expected
    np.testing.assert_array_equal(row["listing_dense"], data.catalogue.dense_LF[expected])
    np.testing.assert_array_equal(row["dense"], data.queries.dense_SF[7])


@pytest.mark.slow
def test_the_rates_of_the_speed_benchmark_follow_from_its_times(
    run_benchmark: Callable[..., str],
) -> None:
    printed = run_benchmark("two_tower.py", "--small", "--device", "cpu")
    rates = dict(
        re.findall(r"^ *(\S[\w ,-]*?) +([\d,]+) (?:rows|queries)/s", printed, re.MULTILINE)
    )
    phases = re.findall(r"^  (\w[\w ]*?) +([\d,]+) rows/s +([\d.]+) ms$", printed, re.MULTILINE)
    assert [phase for phase, _, _ in phases] == [
        "draw",
        "forward and softmax",
        "backward",
        "optimiser",
    ]
    for phase, rate, milliseconds in phases:  # a step of --small has 256 rows
        rounding = 1 + number(rate) * 0.005 / 1e3  # times are printed to a hundredth of a ms
        rows = number(rate) * float(milliseconds) / 1e3
        assert rows == pytest.approx(256, abs=rounding), phase
    times = re.search(r"ours is ([\d.]+) times", printed)
    assert times is not None
    ours, plain = number(rates["training, end to end"]), number(rates["plain trainer"])
    assert float(times[1]) == pytest.approx(ours / plain, abs=0.06)
    share = re.search(r"^softmax at +256 +(\d+)% of a bare matmul's rate$", printed, re.MULTILINE)
    assert share is not None
    seconds = re.search(r"^exact top-100 +([\d,]+) queries/s +([\d.]+) s$", printed, re.MULTILINE)
    assert seconds is not None
    assert number(seconds[1]) * float(seconds[2]) == pytest.approx(
        500, abs=0.006 * number(seconds[1])
    )


def test_the_plain_trainer_and_ours_have_the_same_loss_where_the_batch_is_the_market(
    speed: ModuleType,
) -> None:
    """Four searches that chose four different listings of one market: both are one softmax."""
    data = speed.made_up(positives=40, listings=20, history=3, seed=0)
    market = data.queries.market_S == 1
    _, first = np.unique(np.where(market, data.positives.listing_P, 0), return_index=True)
    rows = [speed.OneRow(data)[place] for place in first[1:5]]
    batch = {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
    net = speed.fresh_net(20, speed.TowerConfig(dimension=8, history_length=3), torch.device("cpu"))
    with torch.no_grad():
        plain = speed.plain_step(net, batch, temperature=0.1)
        listing_BD = net.listing(
            *(batch[f"listing_{name}"][:, 0] for name in ("id", "dense", "category", "market"))
        )
        history_BHD = torch.stack(
            [
                net.listing(
                    *(row[f"listing_{n}"][1:] for n in ("id", "dense", "category", "market"))
                )
                for row in rows
            ]
        )
        query_BD = net.encode_queries(batch, history_BHD)
        ours = speed.contrast(
            query_BD,
            listing_BD,
            speed.Candidates(
                vector_CD=listing_BD,
                id_C=batch["listing_id"][:, 0],
                market_C=batch["market"],
                log_count_C=torch.zeros(4),
            ),
            {
                "id": batch["listing_id"][:, 0],
                "market": batch["market"],
                "weight": torch.full((4,), 0.25),
            },
            temperature=0.1,
            chunk_rows=2,
        )
    torch.testing.assert_close(plain, ours)


def test_the_softmax_share_is_the_time_of_the_products_over_that_of_the_softmax(
    speed: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three products in 2 seconds, the softmax with its gradients in 8: a quarter of the rate."""
    times = {"products": 2.0, "softmax": 8.0}
    monkeypatch.setattr(speed, "seconds", lambda work, _: times[work.__name__])
    assert speed.softmax_share(8, 4, chunk_rows=3, device=torch.device("cpu")) == 0.25
