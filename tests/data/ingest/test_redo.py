"""The same file under another mapping: refused with what differs; redone, its rows are replaced."""

from __future__ import annotations

import json
from datetime import date

import polars as pl
import pytest

from data.errors import DataError, HomeError, LogError
from data.ingest import IngestOptions, ingest
from data.ingest.known_files import remember_as_known
from data.lake.store import Lake
from data.readers.files import identify
from data.schema.tables import INGESTS

MAPPING = """# a comment
name = "own"
{extra}
[columns]
id_search = "s"
id_listing = "l"
ts_search = "at"
query_market = "m"
label = "a"
"""
LINE = "s,l,at,m,a,p\n"
ROWS = (
    "S1,L1,02/09/2026 10:00,Rome,click,7\n"
    "S2,L2,03/09/2026 10:00,Rome,click,8\n"
    "S3,L3,13/09/2026 10:00,Rome,click,9\n"
)
REDO = IngestOptions(redo=True)
DAY_FIRST = 'time_format = "day_first"'
MONTH_FIRST = 'time_format = "%m/%d/%Y %H:%M"'
"""Read so, two of the rows stand in February and March, and the third is quarantined."""


@pytest.fixture
def mapping(world):
    def written(extra: str = MONTH_FIRST, name: str = "own.toml", text: str = MAPPING):
        return world.file(text.format(extra=extra), name)

    return written


def _days(lake: Lake) -> list[str]:
    return sorted(str(day) for _, day in lake.market_days())


def test_known_file_under_a_corrected_mapping_is_refused_with_the_keys_and_the_way_out(
    world, mapping
):
    log = world.file(LINE + ROWS)
    world.ingest(log, source=mapping())
    versions = [world.lake.version(t) for t in ("impressions", "quarantine", "ingests")]
    with pytest.raises(LogError) as refusal:
        world.ingest(log, source=mapping(DAY_FIRST))
    assert "time_format (was '%m/%d/%Y %H:%M', now 'day_first')" in str(refusal.value)
    assert f"stayrank ingest {log} --source {world.folder / 'own.toml'} --redo" in str(
        refusal.value
    )
    assert versions == [world.lake.version(t) for t in ("impressions", "quarantine", "ingests")]


def test_redo_replaces_the_rows_and_their_days_and_the_record(world, mapping):
    log = world.file(LINE + ROWS)
    first = world.ingest(log, source=mapping())
    assert (first.rows_accepted, first.rows_quarantined) == (2, 1)
    assert _days(world.lake) == ["2026-02-09", "2026-03-09"]
    report = world.ingest(log, source=mapping(DAY_FIRST), options=REDO)
    (file,) = report.files
    assert (file.status, file.rows_accepted, file.replaced) == ("redone", 3, 2)
    assert f"{log}: 3 rows in = 3 accepted + 0 quarantined, in place of 2 accepted before" in (
        report.lines()
    )
    assert _days(world.lake) == ["2026-09-02", "2026-09-03", "2026-09-13"]
    assert world.quarantine() == []
    assert world.lake.rows("ingests") == 1
    assert world.accounts_for_every_row()
    again = world.ingest(log, source=mapping(DAY_FIRST))
    assert again.files[0].status == "already ingested"


def test_redo_of_one_file_leaves_the_rows_of_others(world, mapping):
    first, second = world.file(LINE + ROWS), world.file(LINE + "S9,L9,02/09/2026 9:00,Rome,x,1\n"
        "S8,L8,02/09/2026 09:00,Rome,click,1\n", "second.csv")  # fmt: skip
    world.ingest(first, second, source=mapping())
    world.ingest(first, source=mapping(DAY_FIRST), options=REDO)
    searches = sorted(row["id_search"] for row in world.impressions())
    assert searches == ["S1", "S2", "S3", "S8"]
    assert [codes for _, codes in world.quarantine()] == ["label_unknown"]
    assert world.accounts_for_every_row()


def test_redo_may_quarantine_rows_that_stood_in_the_lake(world, mapping):
    log = world.file(LINE + ROWS)
    world.ingest(log, source=mapping(DAY_FIRST))
    report = world.ingest(log, source=mapping(MONTH_FIRST), options=REDO)
    assert (report.rows_accepted, report.rows_quarantined) == (2, 1)
    assert world.quarantine() == [(4, "time_unreadable")]
    assert world.accounts_for_every_row()


def test_redo_of_a_new_file_is_an_ordinary_ingest(world, mapping):
    (file,) = world.ingest(world.file(LINE + ROWS), source=mapping(), options=REDO).files
    assert (file.status, file.rows_accepted) == ("ingested", 2)


def test_comments_defaults_and_the_order_of_spellings_are_no_other_mapping(world, mapping):
    log = world.file(LINE + ROWS)
    world.ingest(log, source=mapping(f'{MONTH_FIRST}\nlabels.booked = ["sold", "paid"]'))
    same = (
        f'description = "new words"\n{MONTH_FIRST}\nmarket_prefix = ""\n'
        'labels.booked = ["paid", "sold"]'
    )
    again = world.ingest(log, source=mapping(same, "again.toml", MAPPING.replace("# a", "# the")))
    assert again.files[0].status == "already ingested"


def test_rule_for_a_column_that_the_file_lacks_is_no_difference_and_one_that_it_has_is(
    world, mapping
):
    log = world.file(LINE + ROWS)
    world.ingest(log, source=mapping())
    for column, is_other in (("absent", False), ("p", True)):
        text = MAPPING + f'listing_total_price = "{column}"\n'
        source = mapping(name=f"{column}.toml", text=text)
        if is_other:
            with pytest.raises(LogError, match=r"columns\.listing_total_price \(was not there"):
                world.ingest(log, source=source)
        else:
            assert world.ingest(log, source=source).files[0].status == "already ingested"


def test_another_encoding_of_a_known_file_is_another_reading(world, row, csv_of):
    text = csv_of([row(1, id_user="JosÃ©"), row(2)])
    log = world.file(text)
    world.ingest(log)
    for same in (None, "utf8", "UTF-8"):
        options = IngestOptions(encoding=same)
        assert world.ingest(log, options=options).files[0].status == "already ingested"
    with pytest.raises(LogError, match=r"--encoding \(was utf-8, now .*--redo .*--encoding"):
        world.ingest(log, options=IngestOptions(encoding="latin-1"))
    world.ingest(log, options=IngestOptions(encoding="latin-1", redo=True))
    assert [i["id_user"] for i in world.impressions()] == ["JosÃ©".encode().decode("latin-1"), "U2"]


@pytest.mark.parametrize("options", [IngestOptions(), REDO])
def test_known_file_under_another_mappings_name_is_refused(world, mapping, options):
    log = world.file(LINE + ROWS)
    world.ingest(log, source=mapping())
    other = mapping(name="other.toml", text=MAPPING.replace('"own"', '"other"'))
    with pytest.raises(HomeError, match=r"holds own rows, those of .*log\.csv too.* --home"):
        world.ingest(log, source=other, options=options)


def test_file_that_an_older_version_ingested_is_compared_by_the_mappings_name(world, mapping):
    log = world.file(LINE + ROWS)
    world.ingest(log, source=mapping())
    old = world.lake.scan("ingests").drop("read_as", "read_as_digest").collect()
    world.lake.replace_all("ingests", old)
    assert world.ingest(log, source=mapping(DAY_FIRST)).files[0].status == "already ingested"
    other = mapping(name="other.toml", text=MAPPING.replace('"own"', '"other"'))
    with pytest.raises(HomeError, match="holds own rows"):
        world.ingest(log, source=other)
    world.ingest(log, source=mapping(DAY_FIRST), options=REDO)
    assert _days(world.lake)[0] == "2026-09-02"


def test_record_holds_what_the_file_was_read_with(world, mapping):
    world.ingest(world.file(LINE + ROWS), source=mapping())
    (record,) = world.lake.scan(INGESTS.name).collect().to_dicts()
    read_as = json.loads(record["read_as"])
    assert read_as["mapping"]["time_format"] == "%m/%d/%Y %H:%M"
    assert read_as["mapping"]["columns"]["id_search"] == {"column": "s"}
    assert len(record["read_as_digest"]) == 16


def test_older_row_that_a_redone_file_had_superseded_stays_out_and_is_told(world, row):
    monday = world.log(row(1), row(2), name="monday.csv")
    booked = {"label": "booked", "ds_book": "2018-02-07"}
    tuesday = world.log(row(1, **booked), row(3), name="tuesday.csv")
    world.ingest(monday)
    world.ingest(tuesday)
    report = world.ingest(tuesday, options=REDO)
    assert [codes for _, codes in world.quarantine()] == ["superseded"]
    (finding,) = [text for text in report.findings if "redo their files too" in text]
    assert finding.startswith("1 row(s) of other files")
    assert "monday.csv" in finding
    # both together are decided on anew: the row of Monday is the lesser of the two
    report = world.ingest(monday, tuesday, options=REDO)
    assert report.rows_accepted == 3
    assert [codes for _, codes in world.quarantine()] == ["duplicate"]
    assert world.accounts_for_every_row()


def test_redone_row_gives_way_to_a_later_file_that_went_further(world, row):
    monday = world.log(row(1), row(2), name="monday.csv")
    world.ingest(monday)
    world.ingest(world.log(row(1, label="click"), row(3), name="tuesday.csv"))
    world.ingest(monday, options=REDO)
    stages = {i["id_search"]: i["stage"] for i in world.impressions()}
    assert stages == {"S1": 1, "S2": 0, "S3": 0}
    assert [codes for _, codes in world.quarantine()] == ["duplicate"]
    assert world.accounts_for_every_row()


def test_search_that_a_redone_file_had_contradicted_is_decided_anew(world, mapping):
    text = LINE + ROWS + "S1,L9,02/10/2026 10:00,Rome,click,7\n"
    log = world.file(text)
    world.ingest(log, source=mapping(DAY_FIRST))
    assert [codes for _, codes in world.quarantine()] == ["search_names_two_times"] * 2
    format_of_days = 'time_format = "%d/09/2026 %H:%M"'
    with pytest.raises(DataError):  # the pattern has no year: every row is unreadable
        world.ingest(log, source=mapping(format_of_days), options=REDO)
    assert world.lake.rows("impressions") == 2


def test_days_of_the_quarantine_that_a_redone_file_shares_keep_the_rows_of_others(world, mapping):
    first = world.file(LINE + ROWS)
    other = world.file(
        LINE + "S7,L7,02/09/2026 10:00,Rome,?,1\nS6,L6,02/09/2026 10:00,Rome,click,1\n", "o.csv"
    )
    world.ingest(first, other, source=mapping())
    older = world.lake.scan("quarantine").collect()
    is_first = pl.col("source_file").str.ends_with("log.csv")
    moved = pl.when(is_first).then(pl.lit(date(2026, 1, 1))).otherwise("ds_ingested")
    world.lake.replace_all("quarantine", older.with_columns(ds_ingested=moved))
    world.ingest(first, source=mapping(DAY_FIRST), options=REDO)
    assert [codes for _, codes in world.quarantine()] == ["label_unknown"]
    assert world.accounts_for_every_row()


def _state(lake: Lake) -> list[list[tuple]]:
    return [
        sorted(lake.scan("impressions").select("id_search", "ds_search").collect().rows()),
        sorted(lake.scan("quarantine").select("source_line", "reasons").collect().rows()),
        sorted(
            lake.scan("ingests").select("source_id", "rows_accepted", "read_as").collect().rows()
        ),
    ]


@pytest.mark.parametrize("step", range(3))
def test_redo_that_is_cut_off_at_a_commit_is_completed_by_the_next_ingest(
    world, mapping, monkeypatch, step
):
    import data.lake.store

    log, wrong, right = world.file(LINE + ROWS), mapping(), mapping(DAY_FIRST, "right.toml")
    calm = world.folder / "calm"
    for source, options in ((wrong, None), (right, REDO)):
        ingest([log], source, home=calm, options=options)
    world.ingest(log, source=wrong)
    real, left = data.lake.store.write_deltalake, [step]

    def failing(*args, **kwargs):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "No space left on device")
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr("data.lake.store.write_deltalake", failing)
        with pytest.raises(DataError, match="No space left"):
            world.ingest(log, source=right, options=REDO)
    report = world.ingest(log, source=right)
    assert (report.recovered, report.files[0].status) == (1, "already ingested")
    assert _state(world.lake) == _state(Lake(calm))
    assert list((world.home / "staging").glob("*")) == []


def test_redo_that_is_refused_leaves_the_lake_as_it_was(world, mapping):
    log = world.file(LINE + ROWS)
    world.ingest(log, source=mapping(DAY_FIRST))
    before = _state(world.lake)
    with pytest.raises(LogError, match="every one of its 3 rows"):
        world.ingest(log, source=mapping('time_format = "%Y"'), options=REDO)
    assert _state(world.lake) == before
    assert list((world.home / "staging").glob("*")) == []


def test_log_from_which_a_guest_was_erased_stands_for_the_one_that_it_was(world, mapping):
    log = world.file(LINE + ROWS)
    world.ingest(log, source=mapping())
    original = identify(log).source_id
    log = world.file(LINE + "".join(ROWS.splitlines(keepends=True)[1:]))
    remember_as_known(world.lake, identify(log), original=original)
    assert [f.status for f in world.ingest(log, source=mapping()).files] == ["already ingested"]
    with pytest.raises(LogError, match="was ingested on"):
        world.ingest(log, source=mapping(DAY_FIRST))
    (file,) = world.ingest(log, source=mapping(DAY_FIRST), options=REDO).files
    assert (file.status, file.rows_accepted, file.replaced) == ("redone", 2, 2)
    assert _days(world.lake) == ["2026-09-03", "2026-09-13"]
    assert world.quarantine() == []
    assert world.lake.rows("ingests") == 1
