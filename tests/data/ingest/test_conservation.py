"""Rows in = rows accepted + rows quarantined, whatever is thrown at ingest, however often."""

from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from data.errors import DataError
from data.ingest import ingest
from data.lake.store import Lake

COLUMNS = "id_search,id_user,id_listing,label,ts_search,query_market,listing_total_price,ds_book"
MESS = st.sampled_from(["", "NA", "x", '"', "1e999", "\x1c", "2018-02-31"])
ROW = st.tuples(
    st.sampled_from(["S1", "S2", "S3"]) | MESS,
    st.sampled_from(["U1", "U1", "U2", ""]),
    st.sampled_from(["L1", "L2", "L3"]),
    st.sampled_from(["impressed", "click", "booked"]) | MESS,
    st.sampled_from(["2018-02-05 10:00", "2018-02-05 10:00", "2018-02-06 10:00"]) | MESS,
    st.sampled_from(["Rio de Janeiro", "Sao Paulo"]) | MESS,
    st.sampled_from(["100", "0", ""]) | MESS,
    st.sampled_from(["", "2018-02-07"]) | MESS,
)
LINE = ROW.map(",".join) | st.text('ab,"', min_size=1, max_size=12)
LOG = st.lists(LINE, max_size=8).map(lambda lines: "\n".join([COLUMNS, *lines]))


@settings(max_examples=25, deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
@given(logs=st.lists(LOG, min_size=1, max_size=3))
def test_every_row_ever_read_is_in_one_table_exactly_once(logs):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lake = Lake(folder / "home")
        read: set[str] = set()
        rows_in = 0
        for number, text in enumerate(logs):
            path = folder / f"{number}.csv"
            path.write_text(text)
            try:
                report = ingest([path], home=lake.home)
            except DataError:
                continue
            rows_in += report.rows_in
            # with quotes, a record may go over several lines
            if report.files[0].status == "ingested" and '"' not in text:
                assert report.rows_in == sum(bool(line.strip()) for line in text.split("\n")[1:])
            read.add(report.files[0].source_id)
        _check(lake, rows_in, read)


def _check(lake: Lake, rows_in: int, read: set[str]) -> None:
    if not lake.exists("ingests"):
        assert rows_in == 0
        return
    lineage = ["source_id", "source_line"]
    tables = [lake.scan(name).select(lineage).collect() for name in ("impressions", "quarantine")]
    everything = pl.concat(tables)
    assert everything.height == rows_in == lake.scan("ingests").collect()["rows_in"].sum()
    assert everything.unique().height == everything.height
    assert set(everything["source_id"]) <= read
    accepted = lake.scan("impressions").collect()
    assert accepted.select("id_search", "id_listing").is_unique().all()
    per_search = accepted.group_by("id_search").agg(
        times=pl.col("search_s").n_unique(), users=pl.col("id_user").drop_nulls().n_unique()
    )
    assert (per_search["times"] <= 1).all()
    assert (per_search["users"] <= 1).all()
