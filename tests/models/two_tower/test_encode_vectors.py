"""Vectors in blocks: as in one piece, and of the right width where there is nothing."""

from __future__ import annotations

import pyarrow as pa
import pytest
import torch

from models.two_tower import encode_vectors
from models.two_tower.encode_vectors import listing_vectors, query_vectors
from models.two_tower.recommender import TwoTower


@pytest.mark.parametrize("block", [7, 100])
def test_blocks_give_the_vectors_of_one_piece(
    model: TwoTower, log: pa.Table, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = log.slice(0, 100)
    listings = model.encoder.listing_rows(rows)
    queries = model.encoder.queries(rows, model.guest_events)
    whole = listing_vectors(model.net, listings), query_vectors(model.net, queries, model.known_LD)
    monkeypatch.setattr(encode_vectors, "_BLOCK", block)
    parts = listing_vectors(model.net, listings), query_vectors(model.net, queries, model.known_LD)
    torch.testing.assert_close(parts, whole)
    for vectors in whole:  # of length 1, before the heads' appeal
        torch.testing.assert_close(vectors[:, :16].norm(dim=1).cpu(), torch.ones(100))


def test_no_rows_give_no_vectors_of_the_usual_width(model: TwoTower, log: pa.Table) -> None:
    nothing = log.slice(0, 0)
    assert model.encode_listings(nothing).shape == (0, 17)
    assert model.encode_queries(nothing).shape == (0, 17)
