"""Damaged logs: any bytes changed, lost or added; a clear refusal, or every row accounted for."""

from __future__ import annotations

import io

import numpy as np
import polars as pl
import pytest

from data.errors import DataError

INSERTED = [b'"', b"\n", b",", b"\x00", b"\xff", b'"\n', b"\r", b"\xef\xbb\xbf", b";;;"]


def _damaged(content: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(content)
    for _ in range(rng.choice([1, 5, 50])):
        at = int(rng.integers(len(damaged)))
        match rng.integers(4):
            case 0:
                damaged[at] = int(rng.integers(256))
            case 1:
                del damaged[at : at + int(rng.integers(1, 30))]
            case 2:
                damaged[at:at] = INSERTED[rng.integers(len(INSERTED))]
            case _:
                damaged[at:at] = damaged[max(0, at - 50) : at]
    return bytes(damaged)


def _as_parquet(text: str) -> bytes:
    buffer = io.BytesIO()
    pl.read_csv(text.encode(), infer_schema=False).write_parquet(buffer)
    return buffer.getvalue()


def _ingest_damaged(world, csv_of, row, seed: int) -> None:
    rng = np.random.default_rng(seed)
    text = csv_of([row(number) for number in range(60)])
    content = _as_parquet(text) if seed % 3 == 0 else text.encode()
    path = world.file(_damaged(content, rng))
    refusal = ""
    try:
        report = world.ingest(path)
    except DataError as error:
        refusal = str(error)
    if refusal:
        assert "log.csv" in refusal
        assert world.is_untouched()
    else:
        stored = world.lake.rows("impressions") + world.lake.rows("quarantine")
        assert report.rows_in == stored


@pytest.mark.parametrize("seed", range(12))
def test_damaged_log_is_refused_or_every_row_accounted_for(world, csv_of, row, seed):
    _ingest_damaged(world, csv_of, row, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12, 400))
def test_many_damaged_logs_are_refused_or_every_row_accounted_for(world, csv_of, row, seed):
    _ingest_damaged(world, csv_of, row, seed)
