"""What the README shows works as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest

from data.ingest import ingest
from data.lake.store import Lake
from pipelines.cli import app

README = Path(__file__).parents[2] / "README.md"
LOG = """\
query_id,room,visitor,searched_at,is_booking,is_click,booking_window,nights,adults,children,radius_m,price_per_night,score,hotel_stars
q1,r1,ann,5/2/18 10:15,1,1,20,3,2,1,2500,100.5,4.5,3
q1,r2,ann,5/2/18 10:15,0,1,20,3,2,1,2500,80,0,
q2,r2,bob,6/2/18 09:00,0,0,1,2,1,,1000,80,0,4
"""


def test_mapping_in_the_readme_reads_such_a_log(tmp_path: Path) -> None:
    (mapping,) = re.findall(r"```toml\n(.*?)```", README.read_text(), flags=re.DOTALL)
    (tmp_path / "my_log.toml").write_text(mapping)
    (tmp_path / "my_log.csv").write_text(LOG)
    report = ingest([tmp_path / "my_log.csv"], tmp_path / "my_log.toml", home=tmp_path / "home")
    assert (report.rows_in, report.rows_accepted) == (3, 3)
    rows = Lake(tmp_path / "home").scan("impressions").sort("id_search", "id_listing").collect()
    assert rows["market"].unique().to_list() == ["lisbon"]
    assert rows["stage"].to_list() == [3, 1, 0]
    assert rows["query_num_guests"].to_list() == [3, 3, 1]
    assert rows["query_radius"].to_list() == [2.5, 2.5, 1.0]
    assert rows["listing_total_price"].to_list() == pytest.approx([301.5, 240.0, 160.0])
    assert rows["listing_review_rating"].to_list() == [4.5, None, None]
    assert rows["x_listing_stars"].to_list() == [3, None, 4]
    stay = pl.col("checkout_day") - pl.col("checkin_day")
    assert rows.select(stay).to_series().to_list() == [3, 3, 2]


def test_commands_in_the_readme_exist() -> None:
    known = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}
    named = set(re.findall(r"(?:^|\s)stayrank ([a-z-]+)\b", README.read_text(), flags=re.MULTILINE))
    assert named - {"reads"} <= known


def test_files_in_the_readme_exist() -> None:
    root = README.parent
    linked = re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text())
    assert linked
    assert [path for path in linked if not (root / path).exists()] == []
