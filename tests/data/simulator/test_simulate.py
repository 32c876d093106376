"""The simulated week: the contract's columns, and the same bytes for the same seed."""

from __future__ import annotations

import pyarrow as pa

from data.contract import TRUTH
from data.simulator import SimulationConfig, simulate


def test_same_seed_gives_the_same_tables() -> None:
    config = SimulationConfig(searches=500, seed=3)
    first, second = (list(simulate(config)) for _ in range(2))
    assert pa.concat_tables(c.log for c in first).equals(pa.concat_tables(c.log for c in second))
    assert first[0].truth.schema == TRUTH.schema
