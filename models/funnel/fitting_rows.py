"""The rows that the funnel learns from: of each window no more than is needed.

    train, valid     whole windows, as they come
    learnt           of each: every clicked row, and a share of the others; of both windows
                     together what trees are learnt from
    stopping         the part of the validation rows learnt from that says when to stop
    judged           the validation window: shapes the calibration of clicks
    sample           of all impressions: says how much is predicted in all
    clicked          of both windows: what the later stages are made of

Nothing here copies a whole training window, which is the largest table of a run. All are in an
order of their ids' own, so that no order of the rows changes a bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.arrow_columns import Codes, Numbers, stages
from models.funnel.config import FunnelConfig
from models.lightgbm_core.label_completeness import Completeness, stage_completeness
from models.lightgbm_core.search_groups import downsample_unclicked
from models.ranking_order import hashed_ids, tie_keys

__all__ = ["FittingRows", "markets_of"]

_SAMPLED_ROWS = 100_000
_DAY = "search_day"
_SAMPLE_SEED = 11  # another draw than that of the rows learnt from


@dataclass(frozen=True, kw_only=True)
class FittingRows:
    """See the table above.

    Attributes:
        train, valid: the rows learnt from of each window.
        judged, sample, clicked: see the table.
        rates: of each row of ``sample`` the share of its market's impressions that were clicked.
        days, day_rates: days since 1970, and the share of each day's impressions that were
            clicked; none where the rows name no day.
        impressions, clicks: of both windows.
        known: by stage, how much of its outcomes is known; empty without correction.
    """

    train: pa.Table
    valid: pa.Table
    judged: pa.Table
    sample: pa.Table
    clicked: pa.Table
    rates: Numbers
    days: Codes
    day_rates: Numbers
    impressions: int
    clicks: int
    known: dict[int, Completeness]

    @classmethod
    def of(cls, train: pa.Table, valid: pa.Table, config: FunnelConfig) -> Self:
        """From whole windows."""
        windows = (train, valid)
        unclicked = sum(int((stages(rows) == 0).sum()) for rows in windows)
        impressions = train.num_rows + valid.num_rows
        share = max(config.unclicked_share, min(1.0, config.fewest_unclicked / max(unclicked, 1)))
        thinned = [
            _in_fixed_order(downsample_unclicked(rows, share=share, seed=config.seed))
            for rows in windows
        ]
        drawn = [_drawn(rows, _SAMPLED_ROWS / max(impressions, 1)) for rows in windows]
        sample = _in_fixed_order(together(*drawn))
        days, day_rates = _rates_by_day(windows)
        return cls(
            train=thinned[0],
            valid=thinned[1],
            judged=_in_fixed_order(valid),
            sample=sample,
            clicked=_in_fixed_order(together(*(_clicked(rows) for rows in thinned))),
            rates=_click_rates(windows, markets_of(sample)),
            days=days,
            day_rates=day_rates,
            impressions=impressions,
            clicks=impressions - unclicked,
            known=stage_completeness(train, valid) if config.corrects_maturity else {},
        )

    @property
    def stopping(self) -> pa.Table:
        """Half of the searches of the validation rows learnt from."""
        return self.valid.filter(pa.array(hashed_ids(self.valid["id_search"]) % 2 == 0))

    @property
    def both(self) -> pa.Table:
        """The rows learnt from, of both windows."""
        return _in_fixed_order(together(self.train, self.valid))


def together(*parts: pa.Table) -> pa.Table:
    """The rows of all parts, with the columns that all of them have."""
    first, *others = parts
    shared = [n for n in first.column_names if all(n in part.column_names for part in others)]
    selected = [part.select(shared) for part in parts]
    return pa.concat_tables(selected, promote_options="permissive")


def markets_of(rows: pa.Table) -> np.ndarray[Any, Any]:
    """The market of each row as a word, empty where it is unknown."""
    return np.asarray(pc.fill_null(rows["market"].cast(pa.string()), "").to_pylist(), dtype=object)


def _in_fixed_order(rows: pa.Table) -> pa.Table:
    return rows.take(pa.array(np.argsort(tie_keys(rows), kind="stable")))


def _drawn(rows: pa.Table, share: float) -> pa.Table:
    return rows.filter(pa.array(tie_keys(rows, seed=_SAMPLE_SEED) / 2.0**64 < share))


def _clicked(rows: pa.Table) -> pa.Table:
    return rows.filter(pa.array(stages(rows) > 0))


def _click_rates(windows: tuple[pa.Table, pa.Table], markets: np.ndarray[Any, Any]) -> Numbers:
    """Clicks per impression of each of these markets, over both windows."""
    all_markets = np.concatenate([markets_of(rows) for rows in windows])
    clicked = np.concatenate([stages(rows) > 0 for rows in windows])
    rates = np.zeros(len(markets))
    for market in np.unique(markets):
        rates[markets == market] = clicked[all_markets == market].mean()
    return rates


def _rates_by_day(windows: tuple[pa.Table, pa.Table]) -> tuple[Codes, Numbers]:
    """The days of both windows, and clicks per impression of each."""
    if not all(_DAY in rows.column_names for rows in windows):
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    day = np.concatenate([np.asarray(rows[_DAY], dtype=np.int64) for rows in windows])
    clicked = np.concatenate([stages(rows) > 0 for rows in windows])
    days, place = np.unique(day, return_inverse=True)
    return days, np.bincount(place, clicked) / np.bincount(place)
