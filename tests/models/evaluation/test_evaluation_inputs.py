"""What the columns say about hosts and lists."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from models.evaluation.arranged_rows import arrange_rows
from models.evaluation.evaluation_inputs import host_codes, list_attributes

ROWS = pa.table(
    {
        "id_search": ["s"] * 4,
        "id_listing": list("abcd"),
        "stage": [0] * 4,
        "x_id_host": [None, "h", "g", "h"],
        "listing_total_price": [100.0, 0.0, None, 50.0],
    }
)


def _by_row(values):
    """Values of the arranged rows, back in the order of ``ROWS``."""
    return values[np.argsort(arrange_rows(ROWS).order)]


def test_hosts_are_numbered_without_a_gap_and_unknown_is_minus_one():
    codes = _by_row(host_codes(ROWS, arrange_rows(ROWS), ("id_host", "x_id_host")))
    assert codes.tolist() == [-1, 0, 1, 0]
    assert host_codes(ROWS, arrange_rows(ROWS), ("id_host",)) is None


def test_price_that_is_not_positive_is_unknown_and_absent_columns_give_no_attribute():
    attributes = list_attributes(ROWS, arrange_rows(ROWS))
    assert list(attributes) == ["log_price"]
    np.testing.assert_allclose(
        _by_row(attributes["log_price"][:, 0]), [np.log(100), np.nan, np.nan, np.log(50)]
    )
