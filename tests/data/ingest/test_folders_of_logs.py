"""Folders as they come from Spark, Hive and people: every row read once, the rest named."""

from __future__ import annotations

import bz2
import gzip
import json
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from data.errors import LogError
from data.schema.reason_codes import Reason

COLUMNS = "id_search,id_listing,label,ts_search,query_market"


def _zstd(text: str) -> bytes:
    return bytes(pa.compress(text.encode(), codec="zstd", asbytes=True))


def _write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def _json(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_every_format_of_a_folder_and_its_sub_folders_is_read(world, row, csv_of):
    folder = world.folder / "logs"
    _write(folder, "a.csv", csv_of([row(1)]))
    _write(folder, "2026-01-21/b.csv", csv_of([row(2)]))
    _write(folder, "c.csv.zst", _zstd(csv_of([row(3)])))
    _write(folder, "d.csv.bz2", bz2.compress(csv_of([row(4)]).encode()))
    _write(folder, "deep/er/e.jsonl", _json(row(5)))
    _write(folder, "deep/er/f.jsonl.gz", gzip.compress(_json(row(6)).encode()))
    _write(folder, "deep/g.ndjson.zst", _zstd(_json(row(7))))
    pl.DataFrame([row(8)]).write_parquet(folder / "deep" / "h.parquet")
    _write(folder, "notes.md", "not a log")
    _write(folder, "_SUCCESS", "")
    report = world.ingest(folder)
    assert [i["id_search"] for i in sorted(world.impressions(), key=lambda i: i["id_search"])] == [
        f"S{n}" for n in range(1, 9)
    ]
    assert [i["source_line"] for i in world.impressions() if i["id_search"] in ("S5", "S8")] == [
        *(1, 1)
    ]
    (finding,) = [text for text in report.findings if "left aside" in text]
    assert finding == f"left aside, no log by its name: {folder / 'notes.md'}"
    assert world.accounts_for_every_row()


def test_lines_of_json_give_the_same_impressions_as_a_delimited_file(world, row, make_world):
    rows = [row(n, listing_review_rating=None if n % 2 else 4.5) for n in range(20)]
    for each in rows[::3]:
        each["query_num_guests"] = int(each["query_num_guests"])
    world.ingest(world.file(_json(*rows), "log.jsonl"))
    other = make_world(world.folder / "csv")
    other.folder.mkdir()
    other.ingest(other.log(*rows))
    lineage = ["source_id", "source_line"]
    frames = [w.lake.scan("impressions").drop(lineage).collect() for w in (world, other)]
    assert frames[0].sort("id_search").equals(frames[1].sort("id_search"))


def test_broken_line_of_json_is_quarantined_with_its_number(world, row):
    text = _json(row(1)) + '{"id_search": "S2", \n' + _json(row(3))
    report = world.ingest(world.file(text, "log.jsonl"))
    assert (report.rows_in, report.rows_accepted) == (3, 2)
    assert world.quarantine() == [(2, Reason.NOT_JSON)]
    (kept,) = world.lake.scan("quarantine").collect()["row"].to_list()
    assert json.loads(kept) == {"line": '{"id_search": "S2", '}


def _partition(folder: Path, name: str, **columns: Any) -> None:
    cells = {"id_search": "S1", "id_listing": "L1", "label": "click"} | columns
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame([cells]).write_parquet(path)


def test_columns_in_the_names_of_folders_are_columns_of_their_rows(world):
    folder = world.folder / "logs"
    rio, paulo = "query_market=Rio de Janeiro/ds_search=2018-02-05", "query_market=S%C3%A3o Paulo"
    _partition(folder, f"{rio}/part-0.parquet", ts_search="2018-02-05 10:00")
    _partition(
        folder,
        f"{paulo}/ds_search=__HIVE_DEFAULT_PARTITION__/part-0.parquet",
        id_search="S2",
        ts_search="2018-02-06 10:00",
    )
    # the folder's date is held against the row's time
    _partition(folder, f"{rio}/part-1.parquet", id_search="S3", ts_search="2018-02-09 10:00")
    world.ingest(folder)
    found = {i["id_search"]: (i["market"], str(i["ds_search"])) for i in world.impressions()}
    assert found == {
        "S1": ("rio_de_janeiro", "2018-02-05"),
        "S2": ("sao_paulo", "2018-02-06"),
    }
    assert [codes for _, codes in world.quarantine()] == [Reason.TIME_DISAGREES]


def test_part_of_a_larger_log_may_lose_its_few_rows_but_not_all_parts_together(world):
    folder = world.folder / "logs"
    bad = f"{COLUMNS}\nS1,L1,?,2018-02-05 10:00,Sao Paulo\n"
    _write(folder, "part-0.csv", bad)
    _write(folder, "part-1.csv", bad.replace("S1", "S2"))
    with pytest.raises(LogError, match=r"part-0\.csv: every one of its 1 rows"):
        world.ingest(folder)
    assert world.is_untouched()
    _write(folder, "part-2.csv", bad.replace("S1", "S3").replace("?", "click"))
    report = world.ingest(folder)
    assert (report.rows_accepted, report.rows_quarantined) == (1, 2)
    assert [len(file.warnings) for file in report.files] == [1, 1, 0]


def test_same_bytes_under_two_partitions_are_two_sets_of_rows(world):
    folder = world.folder / "logs"
    for market in ("Rio de Janeiro", "Sao Paulo"):
        text = f"{COLUMNS.removesuffix(',query_market')}\nS1,L1,click,2018-02-05 10:00\n"
        _write(folder, f"query_market={market}/a.csv", text)
    report = world.ingest(folder)
    assert len(report.files) == 2
    # one search in two markets: its second row is a duplicate, and no row is lost in silence
    assert (report.rows_in, report.rows_quarantined) == (2, 1)


@pytest.mark.parametrize("spelling", ["query_market", "QUERY_MARKET"])
def test_folder_that_contradicts_its_rows_is_told_and_the_rows_are_kept(world, spelling):
    folder = world.folder / "logs"
    header = COLUMNS.replace("query_market", spelling)
    text = f"{header}\nS1,L1,click,2018-02-05 10:00,Sao Paulo\n"
    _write(folder, "query_market=Rio de Janeiro/a.csv", text)
    report = world.ingest(folder)
    assert world.impressions()[0]["market"] == "sao_paulo"
    (finding,) = [text for text in report.findings if "the folder says" in text]
    assert "column query_market is not what the folder says in 1 row(s), first in line 2" in finding


def test_second_name_of_one_content_is_read_once_and_told(world, row):
    first, second = world.log(row(1), name="a.csv"), world.log(row(1), name="b.csv")
    report = world.ingest(first, second)
    assert [file.file for file in report.files] == [str(first)]
    assert f"{second}: the same content as {first}, read once" in report.findings


def test_part_without_a_byte_beside_good_ones_is_named_and_passed(world, row, csv_of):
    folder = world.folder / "logs"
    _write(folder, "part-00000.csv", csv_of([row(1)]))
    _write(folder, "part-00001.csv", "")
    _write(folder, "part-00002.csv", csv_of([row(1)]).splitlines()[0])
    report = world.ingest(folder)
    assert report.rows_accepted == 1
    (finding,) = [text for text in report.findings if "without a byte" in text]
    assert finding.endswith("part-00001.csv")


def test_other_empty_file_and_a_part_alone_are_refused(world, row, csv_of):
    folder = world.folder / "logs"
    _write(folder, "a.csv", csv_of([row(1)]))
    empty = _write(folder, "b.csv", "")
    with pytest.raises(LogError, match=r"b\.csv: the file is empty"):
        world.ingest(folder)
    part = empty.rename(world.folder / "part-0.csv")
    with pytest.raises(LogError, match=r"part-0\.csv: the file is empty"):
        world.ingest(part)
    assert world.is_untouched()


def test_folder_with_one_truncated_archive_is_refused_whole(world, row, csv_of):
    folder = world.folder / "logs"
    _write(folder, "a.csv", csv_of([row(1)]))
    for name, content in (
        ("b.csv.zst", _zstd(csv_of([row(n) for n in range(50)]))),
        ("c.jsonl.bz2", bz2.compress(_json(*(row(n) for n in range(50))).encode())),
    ):
        bad = _write(folder, name, content[: len(content) // 2])
        with pytest.raises(LogError, match=f"{name}: the .* archive is truncated or corrupt"):
            world.ingest(folder)
        bad.unlink()
    assert world.is_untouched()


def test_header_in_capitals_is_read_and_told(world, row, csv_of):
    header, line = csv_of([row(1)]).splitlines()
    report = world.ingest(world.file(f"{header.upper()}\n{line}\n"))
    assert report.rows_accepted == 1
    assert report.files[0].ignored == ()
    (finding,) = report.findings
    assert "read in another case than the mapping has them: ID_SEARCH as id_search" in finding


def test_header_of_two_spellings_is_refused_and_names_both(world):
    text = f"Label,{COLUMNS.replace('label', 'LABEL')}\nclick,S1,L1,click,2018-02-05 10:00,Rio\n"
    with pytest.raises(LogError, match=r"label is absent .did you mean 'Label' or 'LABEL'"):
        world.ingest(world.file(text))


def test_excel_and_spark_write_logs_that_are_read(world):
    excel = f"sep=;\r\n{COLUMNS.replace(',', ';')}\r\nS1;L1;click;2018-02-05 10:00;Sao Paulo\r\n"
    spark = (
        f'{COLUMNS},name\nS2,L2,click,2018-02-05 10:00,Sao Paulo,"The \\"Blue\\" flat, 2 rooms"\n'
    )
    world.ingest(world.file(excel, "excel.csv"), world.file(spark, "spark.csv"))
    assert {(i["id_search"], i["source_line"]) for i in world.impressions()} == {
        ("S1", 3),
        ("S2", 2),
    }


def test_mapping_may_begin_with_a_byte_order_mark(world):
    toml = """
name = "own"
columns = { id_search = "s", id_listing = "l", ts_search = "at", query_market = "m", label = "a" }
"""
    source = world.file(b"\xef\xbb\xbf" + toml.encode(), "own.toml")
    log = world.file("s,l,at,m,a\nS1,L1,2020-05-01 10:00,Rome,click\n")
    assert world.ingest(log, source=source).rows_accepted == 1


def test_line_longer_than_any_row_is_quarantined_and_the_rest_is_read(world, monkeypatch):
    monkeypatch.setattr("data.readers.csv.MAX_LINE_BYTES", 2000)
    monkeypatch.setattr("data.readers.csv_records.MAX_LINE_BYTES", 2000)
    monkeypatch.setattr("data.readers.csv.BLOCK_BYTES", 500)
    sound = "S1,L1,click,2018-02-05 10:00,Sao Paulo"
    text = f"{COLUMNS}\n{sound}\nS2,{'x' * 100_000}\n{sound.replace('1', '3', 1)}\n"
    report = world.ingest(world.file(gzip.compress(text.encode()), "log.csv.gz"))
    assert (report.rows_in, report.rows_accepted) == (3, 2)
    assert world.quarantine() == [(3, Reason.LINE_TOO_LONG)]
    (kept,) = world.lake.scan("quarantine").collect()["row"].to_list()
    assert len(kept) < 1000
