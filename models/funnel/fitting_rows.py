"""The rows that the funnel learns from: of each window no more than is needed.

    train, valid     whole windows, as they come
    both             of each: every clicked row, and a share of the others: what trees learn from
    stopping         the part of the validation rows learnt from that says when to stop
    judged           the validation window: shapes the calibration of clicks
    sample           of all impressions: says how much is predicted in all
    clicked          of both windows: what the later stages are made of

Of a whole window the ids and outcomes alone are held: it is the largest table of a run. The rows
of ``both``, ``sample`` and ``clicked`` are read at their places, and ``judged`` batch by batch.
All are in an order of their ids' own, so that no order of the rows changes a bit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.arrow_columns import Codes, Numbers, stages
from models.funnel.config import FunnelConfig
from models.lightgbm_core.label_completeness import Completeness, stage_completeness
from models.lightgbm_core.search_groups import is_clicked_or_drawn
from models.ranking_order import hashed_ids, tie_keys
from models.row_source import (
    Rows,
    RowSource,
    by_batches,
    one_after_the_other,
    places_of,
    read,
    read_at,
    source_of,
)

__all__ = ["FittingRows", "JudgedRows", "markets_of"]

_SAMPLED_ROWS = 100_000
_DAY = "search_day"
_SAMPLE_SEED = 11  # another draw than that of the rows learnt from
_KEYS = ("id_search", "id_listing", "market", "stage")
_OUTCOME_DAYS = (_DAY, "contact_day", "book_day")

Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, kw_only=True)
class JudgedRows:
    """The validation window, whose rows are scored batch by batch.

    Attributes:
        rows: as they come.
        order: of the rows, by their ids.
        clicked: 0 or 1, and
        markets: the market of each row, both in that order.
    """

    rows: RowSource
    order: Codes
    clicked: Numbers
    markets: np.ndarray[Any, Any]

    @classmethod
    def of(cls, rows: Rows) -> Self:
        keys = read(rows, _KEYS)
        order = np.argsort(tie_keys(keys), kind="stable")
        return cls(
            rows=source_of(rows),
            order=order,
            clicked=(stages(keys) > 0).astype(np.float64)[order],
            markets=markets_of(keys)[order],
        )

    def scored(self, of_rows: Callable[[pa.Table], Numbers]) -> Numbers:
        """What ``of_rows`` gives for each row, in that order."""
        return np.asarray(by_batches(self.rows, self.rows.schema.names, of_rows)[self.order])


@dataclass(frozen=True, kw_only=True)
class FittingRows:
    """See the table above.

    Attributes:
        both: the rows learnt from.
        is_valid: which of them are of the validation window.
        judged, sample, clicked: see the table.
        rates: of each row of ``sample`` the share of its market's impressions that were clicked.
        days, day_rates: days since 1970, and the share of each day's impressions that were
            clicked; none where the rows name no day.
        impressions, clicks: of both windows.
        known: by stage, how much of its outcomes is known; empty without correction.
    """

    both: pa.Table
    is_valid: Flags
    judged: JudgedRows
    sample: pa.Table
    clicked: pa.Table
    rates: Numbers
    days: Codes
    day_rates: Numbers
    impressions: int
    clicks: int
    known: dict[int, Completeness]

    @classmethod
    def of(cls, train: Rows, valid: Rows, config: FunnelConfig) -> Self:
        """From whole windows."""
        windows = one_after_the_other(train, valid)
        keys = read(windows, _keys_in(windows))
        is_clicked = stages(keys) > 0
        unclicked = int((~is_clicked).sum())
        impressions = keys.num_rows
        share = max(config.unclicked_share, min(1.0, config.fewest_unclicked / max(unclicked, 1)))
        is_learnt = is_clicked_or_drawn(keys, share=share, seed=config.seed)
        is_drawn = tie_keys(keys, seed=_SAMPLE_SEED) / 2.0**64 < _SAMPLED_ROWS / max(impressions, 1)
        order = np.argsort(tie_keys(keys), kind="stable")
        both, sample = read_at(
            windows,
            windows.schema.names,
            [places_of(order[chosen[order]], impressions) for chosen in (is_learnt, is_drawn)],
            narrows=True,
        )
        days, day_rates = _rates_by_day(keys, is_clicked)
        return cls(
            both=both,
            is_valid=order[is_learnt[order]] >= train.num_rows,
            judged=JudgedRows.of(valid),
            sample=sample,
            clicked=both.filter(pa.array(stages(both) > 0)),
            rates=_click_rates(markets_of(keys), is_clicked, markets_of(sample)),
            days=days,
            day_rates=day_rates,
            impressions=impressions,
            clicks=impressions - unclicked,
            known=stage_completeness(keys) if config.corrects_maturity else {},
        )

    @property
    def train(self) -> pa.Table:
        """The rows learnt from of the training window."""
        return self.both.filter(pa.array(~self.is_valid))

    @property
    def stopping(self) -> pa.Table:
        """Half of the searches of the validation rows learnt from."""
        valid = self.both.filter(pa.array(self.is_valid))
        return valid.filter(pa.array(hashed_ids(valid["id_search"]) % 2 == 0))


def markets_of(rows: pa.Table) -> np.ndarray[Any, Any]:
    """The market of each row as a word, empty where it is unknown."""
    market = rows["market"].combine_chunks()
    if not pa.types.is_dictionary(market.type):
        # One word per market, not one per row.
        market = market.dictionary_encode()
    words = np.asarray([*market.dictionary.cast(pa.string()).to_pylist(), ""], dtype=object)
    return np.asarray(words[np.asarray(pc.fill_null(market.indices, len(words) - 1))])


def _keys_in(rows: RowSource) -> Sequence[str]:
    return [*_KEYS, *(name for name in _OUTCOME_DAYS if name in rows.schema.names)]


def _click_rates(
    of_impressions: np.ndarray[Any, Any], is_clicked: Flags, markets: np.ndarray[Any, Any]
) -> Numbers:
    """Clicks per impression of each of these markets, over all impressions."""
    rates = np.zeros(len(markets))
    for market in np.unique(markets):
        rates[markets == market] = is_clicked[of_impressions == market].mean()
    return rates


def _rates_by_day(keys: pa.Table, is_clicked: Flags) -> tuple[Codes, Numbers]:
    """The days of both windows, and clicks per impression of each."""
    if _DAY not in keys.column_names:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    days, place = np.unique(np.asarray(keys[_DAY], dtype=np.int64), return_inverse=True)
    return days, np.bincount(place, is_clicked.astype(np.float64)) / np.bincount(place)
