"""Small simulated weeks shared by the tests of this folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from data.simulator import SimulationConfig, simulate

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, kw_only=True)
class Week:
    """A simulated week: rows of ``log`` and ``truth`` belong together."""

    log: pa.Table
    truth: pa.Table

    def of(self, name: str) -> Array:
        """A column as numpy; nulls of numbers become NaN, of dates NaT."""
        table = self.log if name in self.log.column_names else self.truth
        column = table[name]
        if pa.types.is_date(column.type):
            return column.cast(pa.timestamp("s")).to_numpy().astype("datetime64[D]")
        return column.to_numpy()


def simulated_week(**settings: Any) -> Week:
    chunks = list(simulate(SimulationConfig(**settings)))
    return Week(
        log=pa.concat_tables([chunk.log for chunk in chunks]),
        truth=pa.concat_tables([chunk.truth for chunk in chunks]),
    )


@pytest.fixture(scope="session")
def week() -> Week:
    """20,000 searches of the default scenario, with positions."""
    return simulated_week(searches=20_000, seed=11, with_position=True)
