"""The same again, late and better, contradictory, of another origin: what the lake does."""

from __future__ import annotations

import gzip
import json

import pytest

from data.errors import DataError, HomeError
from data.ingest import ingest
from data.schema.reason_codes import Reason


def test_same_file_twice_changes_nothing(world, row):
    path = world.log(row(1), row(2, label="x"))
    world.ingest(path)
    versions = [world.lake.version(t) for t in ("impressions", "quarantine", "ingests")]
    report = world.ingest(path)
    assert [file.status for file in report.files] == ["already ingested"]
    assert report.lines() == [f"{path}: already ingested, nothing to do"]
    assert versions == [world.lake.version(t) for t in ("impressions", "quarantine", "ingests")]


def test_same_content_under_another_name_is_ingested_once(world, row):
    first = world.log(row(1), name="a.csv")
    second = world.log(row(1), name="b.csv")
    report = world.ingest(first, second)
    assert len(report.files) == 1
    assert world.ingest(second).files[0].status == "already ingested"
    assert world.lake.rows("impressions") == 1


def test_same_rows_packed_are_duplicates_and_every_row_is_accounted_for(world, row, csv_of):
    text = csv_of([row(1), row(2)])
    world.ingest(world.file(text))
    report = world.ingest(world.file(gzip.compress(text.encode()), "log.csv.gz"))
    assert (report.rows_accepted, report.rows_quarantined) == (0, 2)
    assert world.lake.rows("impressions") == 2
    assert world.accounts_for_every_row()


def test_of_several_rows_with_one_key_the_furthest_label_stays_then_the_first(world, row):
    booked = {"label": "booked", "ds_book": "2018-02-05"}
    rows = [row(1), row(1, **booked), row(1, **booked), row(2), row(2)]
    world.ingest(world.log(*rows))
    assert [impression["source_line"] for impression in world.impressions()] == [3, 5]
    assert world.quarantine() == [(2, "duplicate"), (4, "duplicate"), (6, "duplicate")]


def test_later_file_with_a_further_label_supersedes_the_older_row(world, row):
    first = world.ingest(world.log(row(1), row(2), name="monday.csv"))
    later = row(1, label="booked", ds_book="2018-02-07")
    report = world.ingest(world.log(later, name="tuesday.csv"))
    assert (report.rows_accepted, report.superseded) == (1, 1)
    stages = {impression["id_search"]: impression["stage"] for impression in world.impressions()}
    assert stages == {"S1": 3, "S2": 0}
    (moved,) = world.lake.scan("quarantine").collect().to_dicts()
    assert (moved["source_id"], moved["source_line"]) == (first.files[0].source_id, 2)
    assert moved["source_file"].endswith("monday.csv")
    assert moved["reasons"] == Reason.SUPERSEDED
    assert '"id_search":"S1"' in moved["row"]
    assert world.accounts_for_every_row()


def test_late_row_of_the_same_or_an_earlier_label_is_a_duplicate(world, row):
    world.ingest(world.log(row(1, label="click"), name="a.csv"))
    world.ingest(world.log(row(1, listing_lat="-22.9"), row(3), name="b.csv"))
    assert [impression["stage"] for impression in world.impressions()] == [1, 0]
    assert world.quarantine() == [(2, "duplicate")]


def test_superseding_replaces_only_the_market_days_it_touches(world, row):
    other_day = {"ts_search": "2018-02-06 09:00", "ds_search": "2018-02-06"}
    world.ingest(world.log(row(1), row(2, **other_day), row(3, query_market="Sao Paulo")))
    files_before = set((world.home / "lake" / "impressions").rglob("*.parquet"))
    version = world.lake.version("impressions")
    world.ingest(world.log(row(1, label="click"), name="late.csv"))
    assert world.lake.version("impressions") == version + 1
    added = set((world.home / "lake" / "impressions").rglob("*.parquet")) - files_before
    assert {path.parent.name for path in added} == {"ds_search=2018-02-05"}
    assert {path.parent.parent.name for path in added} == {"market=rio_de_janeiro"}
    assert world.lake.rows("impressions") == 3


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"id_user": "U9"}, Reason.SEARCH_TWO_USERS),
        ({"ts_search": "2018-02-05 10:31"}, Reason.SEARCH_TWO_TIMES),
    ],
)
def test_search_that_contradicts_itself_is_quarantined_whole(world, row, change, code):
    rows = [row(1), row(1, id_listing="L8"), row(1, id_listing="L9", **change), row(2)]
    report = world.ingest(world.log(*rows))
    assert report.rows_accepted == 1
    assert world.quarantine() == [(2, code), (3, code), (4, code)]


def test_guest_without_id_does_not_contradict_a_named_one(world, row):
    report = world.ingest(world.log(row(1), row(1, id_listing="L8", id_user="")))
    assert report.rows_accepted == 2


def test_search_contradicted_by_a_later_file_leaves_the_lake_and_stays_out(world, row):
    world.ingest(world.log(row(1), row(2), name="a.csv"))
    contradiction = row(1, id_listing="L8", id_user="U9")
    report = world.ingest(world.log(contradiction, row(3), name="b.csv"))
    assert (report.rows_accepted, report.superseded) == (1, 1)
    world.ingest(world.log(row(1, id_listing="L9"), row(4), name="c.csv"))
    searches = sorted(impression["id_search"] for impression in world.impressions())
    assert searches == ["S2", "S3", "S4"]
    assert [codes for _, codes in world.quarantine()] == [Reason.SEARCH_TWO_USERS] * 3
    assert world.accounts_for_every_row()


def test_columns_absent_from_the_log_are_absent_from_the_table(world, row):
    bare = {k: v for k, v in row(1).items() if k not in ("listing_lat", "id_user")}
    report = world.ingest(world.log(bare))
    assert {"listing_lat", "id_user"}.isdisjoint(world.lake.columns("impressions"))
    assert {"listing_lat", "id_user", "query_radius"} <= set(report.files[0].absent)
    world.ingest(world.log(row(2), name="wider.csv"))
    impressions = world.lake.scan("impressions").sort("id_search").collect()
    assert impressions["id_user"].to_list() == [None, "U2"]


def test_unknown_columns_are_named_once_as_ignored(world, row):
    report = world.ingest(world.log(row(1) | {"colour": "red"}, row(2) | {"colour": "blue"}))
    assert report.files[0].ignored == ("colour",)
    assert "columns ignored: colour" in report.lines()


def test_header_without_rows_is_an_empty_log(world, row, csv_of):
    report = world.ingest(world.file(csv_of([row(1)]).splitlines()[0]))
    assert (report.rows_in, report.rows_accepted) == (0, 0)
    assert world.lake.rows("impressions") == 0
    assert "id_search" in world.lake.columns("impressions")


def test_home_of_a_real_log_refuses_a_simulated_one_and_the_other_way_round(world, row):
    world.ingest(world.log(row(1)))
    simulated = world.log(row(1, is_simulated="true"), name="sim.csv")
    with pytest.raises(HomeError, match=r"holds airbnb rows; simulated rows belong .* --home"):
        world.ingest(simulated)
    other = world.folder / "other"
    assert ingest([simulated], home=other).rows_accepted == 1
    with pytest.raises(HomeError, match="this home holds simulated rows; airbnb rows belong"):
        ingest([world.log(row(1), name="real.csv")], home=other)


def test_simulated_log_is_marked_in_its_record(world, row):
    world.ingest(world.log(row(1, is_simulated="true")))
    assert world.lake.scan("ingests").select("is_simulated").collect().item() is True


def test_record_of_a_file_holds_its_counts_and_its_report(world, row):
    path = world.log(row(1), row(2, label="x"))
    report = world.ingest(path)
    (record,) = world.lake.scan("ingests").collect().to_dicts()
    assert (record["rows_in"], record["rows_accepted"], record["rows_quarantined"]) == (2, 1, 1)
    assert json.loads(record["report"]) == json.loads(json.dumps(report.to_dict()["files"][0]))
    meaning = "label is no known spelling of impressed, clicked, contacted, booked"
    assert report.lines()[:2] == [
        f"{path}: 2 rows in = 1 accepted + 1 quarantined",
        f"  quarantined 1: label_unknown ({meaning})",
    ]
    totals = {"rows_in": 2, "rows_accepted": 1, "rows_quarantined": 1}
    assert totals.items() <= report.to_dict().items()


def test_progress_counts_the_bytes_of_all_files(world, row):
    calls: list[tuple[int, int]] = []
    first, second = world.log(row(1), name="a.csv"), world.log(row(2), row(3), name="b.csv")
    world.ingest(first, second, progress=lambda done, total: calls.append((done, total)))
    one, both = first.stat().st_size, first.stat().st_size + second.stat().st_size
    # each file once when its only chunk is done, and once when it is whole
    assert calls == [(one, both), (one, both), (both, both), (both, both)]


def test_home_that_cannot_be_written_is_named(world, row):
    world.home.write_text("a file, not a folder")
    with pytest.raises(DataError, match="home"):
        world.ingest(world.log(row(1)))


def test_unusual_listings_and_short_days_are_findings_and_reject_no_row(world, row):
    rows = [
        row(n, ts_search=f"2018-02-0{day} 10:00", ds_search="")
        for day, rows_of_day in ((5, 300), (6, 20), (7, 300))
        for n in range(day * 1000, day * 1000 + rows_of_day)
    ]
    rows.append(row(1, listing_lat="40.7", listing_person_capacity="600"))
    report = world.ingest(world.log(*rows))
    assert report.rows_quarantined == 0
    far = "1 listing(s) lie more than 200 km from the middle of their market, such as L1"
    assert report.findings == (
        # the odd row is the 301st of its day: 300.5 on average
        "rio_de_janeiro 2018-02-06: 20 rows, its neighbours have 300",
        # 40.7 + 22.98 degrees of latitude
        f"{far} (rio_de_janeiro, 7,081 km)",
        "1 listing(s) take more than 50 guests, such as L1 (600)",
    )


def test_extra_column_of_another_type_is_refused_before_anything_is_decided(world):
    toml = """
name = "own"
columns = {{ id_search = "s", id_listing = "l", ts_search = "at", query_market = "m", label = "a" }}
[extra]
v = {{ column = "v", kind = "{kind}", of = "query", meaning = "v" }}
"""
    line = "s,l,at,m,a,v\n{},L1,2020-05-01 10:00,Rome,click,1\n"
    numbers = world.file(toml.format(kind="number"), "number.toml")
    words = world.file(toml.format(kind="category"), "words.toml")
    world.ingest(world.file(line.format("S1"), "a.csv"), source=numbers)
    with pytest.raises(HomeError, match="x_query_v"):
        world.ingest(world.file(line.format("S2"), "b.csv"), source=words)
    report = world.ingest(world.file(line.format("S3"), "c.csv"), source=numbers)
    assert (report.rows_accepted, report.recovered) == (1, 0)
