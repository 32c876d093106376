"""Small logs in the contract's columns, made from one sound row that tests change."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from data.ingest import IngestReport, ingest
from data.lake.store import Lake

Row = dict[str, Any]

SOUND: Row = {
    "id_search": "S1",
    "label": "impressed",
    "id_user": "U1",
    "id_listing": "L1",
    "ts_search": "2018-02-05 10:30",
    "ds_search": "2018-02-05",
    "ds_book": "",
    "ds_contact": "",
    "query_market": "Rio de Janeiro",
    "query_checkin": "2018-03-01",
    "query_checkout": "2018-03-04",
    "query_num_guests": "2",
    "query_num_children": "0",
    "query_center_lat": "-22.97",
    "query_center_lng": "-43.18",
    "listing_is_new": "f",
    "listing_total_price": "450.5",
    "listing_instant_bookable": "t",
    "listing_lat": "-22.98",
    "listing_lng": "-43.19",
    "listing_review_rating": "4.8",
    "listing_property_type": "1",
    "listing_room_type": "Entire home/apt",
    "listing_person_capacity": "4",
    "listing_occupancy_rate": "0.6",
    "listing_weekly_price_factor": "0.9",
    "listing_maximum_nights": "999999999",
}


def sound_row(number: int = 1, **changes: Any) -> Row:
    """A row that every rule accepts, one search and listing per ``number``, then changed."""
    own = {"id_search": f"S{number}", "id_listing": f"L{number}", "id_user": f"U{number}"}
    return SOUND | own | changes


def as_csv(rows: list[Row], separator: str = ",") -> str:
    """The rows as a delimited log; the header is the first row's columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter=separator, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


class World:
    """A home, a folder for logs, and short ways to write logs and to ingest them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.lake = Lake(self.home)

    def file(self, content: str | bytes, name: str = "log.csv") -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def log(self, *rows: Row, name: str = "log.csv") -> Path:
        return self.file(as_csv(list(rows)), name)

    def ingest(self, *paths: Path, source: str | Path = "airbnb", **settings: Any) -> IngestReport:
        return ingest(list(paths), source, home=self.home, **settings)

    def impressions(self) -> list[Row]:
        frame = self.lake.scan("impressions").sort("source_id", "source_line").collect()
        return frame.to_dicts()

    def quarantine(self) -> list[tuple[int, str]]:
        frame = self.lake.scan("quarantine").select("source_line", "reasons").collect()
        return sorted(frame.rows())

    def accounts_for_every_row(self) -> bool:
        """Rows read, as ``ingests`` counts them = rows of impressions + rows of quarantine."""
        rows_in = self.lake.scan("ingests").select(pl.col("rows_in").sum()).collect().item()
        stored = self.lake.rows("impressions") + self.lake.rows("quarantine")
        return bool(rows_in == stored)

    def is_untouched(self) -> bool:
        """Nothing was ever written, and nothing is left in staging."""
        staging = self.home / "staging"
        remains = list(staging.glob("*")) if staging.exists() else []
        tables = [name for name in ("impressions", "ingests") if self.lake.exists(name)]
        return not remains and not tables


@pytest.fixture(scope="session")
def make_world() -> Callable[[Path], World]:
    return World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture(scope="session")
def row() -> Callable[..., Row]:
    return sound_row


@pytest.fixture(scope="session")
def csv_of() -> Callable[..., str]:
    return as_csv
