"""One row per search: every listing of a cell or array becomes a row, and none is lost."""

from __future__ import annotations

import json
from datetime import datetime

import polars as pl
import pytest

from data.errors import DataError, LogError, MappingError
from data.readers import csv, parquet
from data.sources import explode
from data.sources.mapping import load_mapping

MAPPING = """
name = "own"
[explode]
listing = { column = "shown", separator = "|" }
price = { column = "prices", separator = "|" }
[columns]
id_search = "id"
id_listing = "listing"
ts_search = "at"
query_market = { constant = "lisbon" }
label.first_true = [{ word = "clicked", when = { equals = ["listing", "reference"] } }]
label.otherwise = "impressed"
position = { list_order = true }
listing_total_price = "price"
"""
HEADER = "id,at,reference,shown,prices\n"
AT = "2020-05-01 10:00"
# the table in data/sources/explode.py
WORKED_EXAMPLE = f"""{HEADER}S2,{AT},L2,L1|L2,50|60
S3,{AT},L1,L1||L3,50|60|7
S4,{AT},,L1|L2,
S5,{AT},L2,L1|L2,50
S6,{AT},L2,,
S7,{AT},L9,L1|L2,50|60
"""


@pytest.fixture
def own(world):
    """Ingest a log under the mapping above, changed; give its report."""

    def ingest(content, mapping: str = MAPPING, name: str = "log.csv", **changes: object):
        log = world.folder / name
        if isinstance(content, pl.DataFrame):
            content.write_parquet(log)
        else:
            log.write_text(content)
        return world.ingest(log, source=world.file(mapping, "own.toml"), **changes)

    return ingest


def _rows(world, *columns: str) -> list[tuple]:
    frame = world.lake.scan("impressions").sort("source_line", "source_item").collect()
    return frame.select(columns).rows()


def _quarantined(world) -> list[tuple[int, int | None, str]]:
    frame = world.lake.scan("quarantine").collect().sort("source_line", "source_item")
    return frame.select("source_line", "source_item", "reasons").rows()


def test_worked_example(world, own):
    report = own(WORKED_EXAMPLE)
    assert _rows(
        world, "id_search", "id_listing", "stage", "position", "listing_total_price", "source_item"
    ) == [
        ("S2", "L1", 0, 1, 50.0, 1),
        ("S2", "L2", 1, 2, 60.0, 2),
        ("S3", "L1", 1, 1, 50.0, 1),
        ("S3", "L3", 0, 3, 7.0, 3),
        ("S4", "L1", 0, 1, None, 1),
        ("S4", "L2", 0, 2, None, 2),
        ("S7", "L1", 0, 1, 50.0, 1),
        ("S7", "L2", 0, 2, 60.0, 2),
    ]
    assert _quarantined(world) == [
        (3, 2, "identity_missing"),
        (5, None, "lists_of_unequal_length"),
        (6, None, "list_empty"),
        (7, 3, "action_not_in_list"),
    ]
    assert (report.rows_in, report.rows_accepted, report.rows_quarantined) == (12, 8, 4)
    assert world.accounts_for_every_row()
    (file,) = report.files
    assert file.ignored == ()
    assert "position" not in file.absent


def test_quarantine_keeps_what_could_not_be_exploded_whole(world, own):
    own(WORKED_EXAMPLE)
    texts = dict(world.lake.scan("quarantine").select("source_line", "row").collect().rows())
    assert json.loads(texts[5]) == dict(
        zip(HEADER.strip().split(","), ["S5", AT, "L2", "L1|L2", "50"], strict=True)
    )
    assert json.loads(texts[7])["reference"] == "L9"
    # of an exploded row its own elements
    listing = {"id": "S3", "at": AT, "reference": "L1", "listing": "", "price": "60"}
    assert {k: v or "" for k, v in json.loads(texts[3]).items()} == listing


@pytest.mark.parametrize(
    ("rows_at_once", "block_bytes"), [(1, 1 << 24), (3, 1 << 24), (2, 60), (1 << 16, 90)]
)
def test_result_does_not_depend_on_chunks(world, own, monkeypatch, rows_at_once, block_bytes):
    monkeypatch.setattr(explode, "EXPLODED_ROWS", rows_at_once)
    monkeypatch.setattr(csv, "BLOCK_BYTES", block_bytes)
    report = own(WORKED_EXAMPLE)
    assert (report.rows_in, report.rows_accepted) == (12, 8)
    assert [position for (position,) in _rows(world, "position")] == [1, 2, 1, 3, 1, 2, 1, 2]
    assert len(_quarantined(world)) == 4


def test_no_chunk_has_more_rows_than_are_made_at_once_even_of_one_list(monkeypatch):
    monkeypatch.setattr(explode, "EXPLODED_ROWS", 4)
    mapping = load_mapping("trivago_2019")
    columns = ("user_id", "session_id", "timestamp", "step", "reference", "city", "platform")
    rows = pl.DataFrame({name: ["1"] for name in columns}).with_columns(
        impressions=pl.lit("|".join(map(str, range(11)))), prices=pl.lit(None, pl.String)
    )
    chunk = explode.Chunk(rows=rows, lines=pl.Series([2]))
    rules = mapping.rules_for(rows.columns, "log.csv")
    made = list(explode.explode_chunks([chunk], mapping, rules, "log.csv"))
    assert [part.rows.height for part in made] == [4, 4, 3]
    assert pl.concat([part.items for part in made]).to_list() == list(range(1, 12))


def test_arrays_of_parquet(world, own, monkeypatch):
    monkeypatch.setattr(parquet, "BATCH_ROWS", 2)
    log = pl.DataFrame(
        {
            "id": ["S1", "S2", "S3"],
            "at": [datetime(2020, 5, 1, 10)] * 3,  # noqa: DTZ001  local time of the log
            "reference": [12, 11, None],
            "shown": [[11, 12], [11], None],
            "prices": [[50.0, None], [60.0], [7.0]],
        }
    )
    report = own(log, MAPPING.replace(', separator = "|"', ""), "log.parquet")
    assert _rows(world, "id_search", "id_listing", "stage", "listing_total_price") == [
        ("S1", "11", 0, 50.0),
        ("S1", "12", 1, None),
        ("S2", "11", 1, 60.0),
    ]
    assert _quarantined(world) == [(3, None, "lists_of_unequal_length")]
    assert report.rows_in == 4


def test_objects_of_parquet_and_words_as_a_condition(world, own):
    mapping = """
name = "own"
time_format = "epoch_milliseconds"
[explode]
aid = { column = "events", field = "aid" }
ts = { column = "events", field = "ts" }
type = { column = "events", field = "type" }
[columns]
id_search = { join = ["session", "ts"] }
id_listing = "aid"
id_user = "session"
ts_search = "ts"
query_market = { constant = "all" }
label = "type"
ds_book = { date = "ts", when = { column = "type", words = ["Orders"] } }
[labels]
clicked = ["clicks"]
booked = ["orders"]
"""
    first = 1_659_304_800_000
    events = [
        [
            {"aid": 5, "ts": first, "type": "clicks"},
            {"aid": 6, "ts": first + 60_000, "type": "orders"},
        ],
        [{"aid": 5, "ts": first, "type": "clicks"}],
    ]
    report = own(pl.DataFrame({"session": [1, 2], "events": events}), mapping, "log.parquet")
    assert _rows(world, "id_search", "id_listing", "stage") == [
        ("1/1659304800000", "5", 1),
        ("1/1659304860000", "6", 3),
        ("2/1659304800000", "5", 1),
    ]
    assert report.files[0].nulled == ()


SUFFIXES = """
name = "own"
time_format = "%m/%d/%Y %I:%M:%S %p"
[explode]
news = { column = "shown", separator = " ", suffix = { separator = "-", name = "was_clicked" } }
[columns]
id_search = "id"
id_listing = "news"
ts_search = "at"
query_market = { constant = "all" }
label.first_true = [{ word = "clicked", when = "was_clicked" }]
label.otherwise = "impressed"
position = { list_order = true }
"""


def test_label_from_a_suffix_is_split_at_the_last_separator(world, own):
    at = "11/15/2019 8:55:22 AM"
    report = own(f"id,at,shown\n1,{at},N1-0 N2-1  a-b-c-1\n2,{at},N1 N3-0 N4-x\n", SUFFIXES)
    assert _rows(world, "id_search", "id_listing", "stage", "position") == [
        ("1", "N1", 0, 1),
        ("1", "N2", 1, 2),
        ("1", "a-b-c", 1, 3),
        ("2", "N3", 0, 2),
    ]
    # an element that says nothing of its label is not taken for one that was not clicked
    assert _quarantined(world) == [(3, 1, "label_unknown"), (3, 3, "label_unknown")]
    assert report.rows_in == 6


def test_several_named_listings_and_the_furthest_first(world, own):
    label = """label.first_true = [
    { word = "booked", when = { equals = ["listing", "booked"] } },
    { word = "clicked", when = { equals = ["listing", "reference"], separator = "|" } },
]
ds_book = { date = "at", when = { equals = ["listing", "booked"] } }
"""
    mapping = "\n".join(
        label if line.startswith("label.first_true") else line for line in MAPPING.splitlines()
    )
    text = HEADER.replace("at,", "at,booked,") + f"S1,{AT},L2,L1|L2,L1|L2|L3,1|2|3\n"
    own(text + f"S2,{AT},,L1|L8,L1|L2,1|2\n", mapping)
    assert _rows(world, "id_search", "id_listing", "stage") == [
        ("S1", "L1", 1),
        ("S1", "L2", 3),
        ("S1", "L3", 0),
        ("S2", "L1", 1),
        ("S2", "L2", 0),
    ]
    assert _quarantined(world) == [(3, 3, "action_not_in_list")]


def test_search_id_of_several_columns_has_no_collisions(world, own):
    mapping = MAPPING.replace('id_search = "id"', 'id_search = { join = ["id", "step"] }')
    header = HEADER.replace("id,", "id,step,")
    lines = [f"{ids},{AT},,L1,5\n" for ids in ("a,b/c", "a/b,c", "a\\,/b", "a\\/,b", "7.0,1", ",1")]
    own(header + "".join(lines), mapping)
    searches = [search for (search,) in _rows(world, "id_search")]
    assert len(set(searches)) == 5
    assert searches[0] == r"a/b\/c"
    assert searches[4] == "7/1"
    assert _quarantined(world) == [(7, 1, "identity_missing")]


def test_listing_twice_in_a_list_is_one_impression_at_its_first_place(world, own):
    own(f"{HEADER}S1,{AT},L1,L2|L1|L2|L1,1|2|3|4\n")
    assert _rows(world, "id_listing", "stage", "position") == [("L2", 0, 1), ("L1", 1, 2)]
    assert _quarantined(world) == [(2, 3, "duplicate"), (2, 4, "duplicate")]


def test_later_file_supersedes_one_listing_of_a_line_and_leaves_the_others(world, own):
    own(f"{HEADER}S1,{AT},,L1|L2|L3,1|2|3\n", name="monday.csv")
    report = own(f"{HEADER}S1,{AT},L2,L2,9\n", name="tuesday.csv")
    assert report.superseded == 1
    kept = world.lake.scan("impressions").sort("id_listing").collect()
    assert kept.select("id_listing", "stage").rows() == [("L1", 0), ("L2", 1), ("L3", 0)]
    assert _quarantined(world) == [(2, 2, "superseded")]
    assert world.accounts_for_every_row()


def test_row_order_goes_on_over_the_lists_of_a_search(world, own):
    mapping = MAPPING.replace("list_order", "row_order")
    pages = f"{HEADER}S1,{AT},,L1|L2,1|2\nS2,{AT},,L9,1\nS1,{AT},,L2|L3||L4,1|2|3|4\n"
    own(pages + f"S1,{AT},,L1|L2,1\nS1,{AT},,L5,1\n", mapping)
    assert _rows(world, "id_search", "id_listing", "position") == [
        ("S1", "L1", 1),
        ("S1", "L2", 2),
        ("S2", "L9", 1),
        ("S1", "L3", 3),
        ("S1", "L4", 5),
        ("S1", "L5", 6),
    ]


def test_pseudonyms_stand_in_exploded_rows_and_no_quarantined_row_names_a_guest(world, own):
    mapping = MAPPING.replace('id_search = "id"', 'id_search = { join = ["guest", "id"] }')
    mapping += 'id_user = "guest"\n'
    lines = WORKED_EXAMPLE.splitlines()
    text = "\n".join([f"guest,{lines[0]}", *(f"ann@example.org,{line}" for line in lines[1:])])
    key = "a key of enough letters"
    own(text + "\n", mapping, options=_options(key))
    users = {user for (user,) in _rows(world, "id_user")}
    assert [user[:2] for user in users] == ["u_"]
    files = [p.read_bytes() for p in world.home.rglob("*") if p.is_file()]
    assert files
    assert not [content for content in files if b"ann@" in content]
    rows = world.lake.scan("quarantine").collect()["row"].to_list()
    assert not [row for row in rows if "ann@" in row]
    assert len(rows) == 4


def _options(key: str):
    from data.ingest import IngestOptions

    return IngestOptions(pseudonym_key=key)


def test_optional_list_that_the_log_lacks_is_left_out(world, own):
    report = own(f"id,at,reference,shown\nS1,{AT},L1,L1|L2\n")
    assert "listing_total_price" in report.files[0].absent
    assert report.rows_accepted == 2


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("id,at,reference,prices", "column shown is absent"),
        ("id,at,reference,shown,prices,price", "explode gives the name 'price', which a column"),
    ],
)
def test_log_that_lacks_the_list_or_has_its_name_is_refused(world, own, header, message):
    with pytest.raises(LogError, match=message):
        own(f"{header}\n" + ",".join("x" for _ in header.split(",")) + "\n")
    assert world.is_untouched()


def test_list_may_stand_under_the_name_of_its_own_column(world, own):
    mapping = MAPPING.replace("listing = { column", "shown = { column", 1)
    mapping = mapping.replace('"listing"', '"shown"')
    assert own(WORKED_EXAMPLE, mapping).rows_accepted == 8


def test_text_without_a_separator_is_refused_naming_file_and_what_to_do(world, own):
    with pytest.raises(LogError, match=r"log\.csv: every .* a cell .*\(separator, brackets"):
        own(WORKED_EXAMPLE, MAPPING.replace(', separator = "|"', "", 1))
    assert world.is_untouched()


def test_column_of_numbers_cannot_hold_lists(world, own):
    log = pl.DataFrame({"id": ["S1"], "at": [AT], "reference": ["5"], "shown": [5]})
    with pytest.raises(LogError, match=r"column shown \(explode\.listing\) holds Int64"):
        own(log, MAPPING.replace(', separator = "|"', "", 1), "log.parquet")
    assert world.is_untouched()


def test_arrays_as_json_text_need_no_separator(world, own):
    log = f"""id,at,reference,shown
S1,{AT},L1,"[""L1"", ""L,2""]"
S2,{AT},7,"[7, 8]"
"""
    own(log, MAPPING.replace(', separator = "|"', "", 1))
    assert [listing for (listing,) in _rows(world, "id_listing")] == ["L1", "L,2", "7", "8"]


def test_array_that_a_rule_reads_as_one_value_is_refused(world, own):
    log = pl.DataFrame({"id": ["S1"], "at": [AT], "reference": ["L1"], "shown": [["L1"]]})
    plain = MAPPING.replace('id_listing = "listing"', 'id_listing = "shown"')
    plain = plain.split("[explode]")[0] + "[columns]" + plain.split("[columns]")[1]
    plain = plain.replace("position = { list_order = true }\n", "").replace('"listing"', '"id"')
    with pytest.raises(LogError, match=r"column shown, .*holds large_list.*\[explode\]"):
        own(log, plain, "log.parquet")
    assert world.is_untouched()


def test_array_that_no_rule_reads_is_no_matter(world, own):
    log = pl.DataFrame({"id": ["S1"], "at": [AT], "reference": ["L1"], "shown": ["L1|L2"]})
    tagged = log.with_columns(tags=pl.lit([["sea", "view"]]).first(), prices=pl.lit("5|x"))
    report = own(tagged, name="log.parquet")
    assert report.files[0].ignored == ("tags",)
    assert report.rows_accepted == 2


def test_every_line_unexplodable_is_refused(world, own):
    with pytest.raises(DataError, match="every one of its 2 rows was rejected"):
        own(f"{HEADER}S1,{AT},,L1|L2,5\nS2,{AT},,,\n")
    assert world.is_untouched()


def test_log_without_rows_is_empty(own):
    assert own(HEADER).rows_in == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('separator = "|" }\nprice', 'separator = "" }\nprice', "explode.listing.separator"),
        ("price = { column", "pries = { colum", "explode.pries"),
        ("[explode]", "[explodes]", "explodes: unknown key"),
        ("{ equals =", "{ equal =", "equal"),
        ('["listing", "reference"]', '["listing"]', "equals"),
        ("{ list_order = true }", '{ list_order = true, column = "at" }', "one place"),
        ("{ list_order = true }", '{ list_order = true, when = "at" }', "list_order stands alone"),
        ("position =", "listing_num_beds =", "list_order is for the column position only"),
        ('"id"', '{ join = ["id"] }', "join"),
        ('"id"', '{ constant = 3, after_last = "," }', "after_last needs column"),
        (
            'separator = "|" }\nprice',
            'separator = "|", suffix = { separator = "-", name = "price" } }\nprice',
            "explode gives the name price twice",
        ),
    ],
)
def test_wrong_declaration_is_refused_by_its_key(world, old, new, message):
    changed = MAPPING.replace(old, new, 1)
    assert changed != MAPPING
    with pytest.raises(MappingError, match=message):
        load_mapping(world.file(changed, "own.toml"))


def test_list_order_without_explode_is_refused(world):
    mapping = MAPPING.replace('[explode]\nlisting = { column = "shown", separator = "|" }\n', "")
    mapping = mapping.replace('price = { column = "prices", separator = "|" }\n', "", 1)
    with pytest.raises(MappingError, match=r"list_order needs \[explode\]"):
        load_mapping(world.file(mapping, "own.toml"))


def test_market_after_the_last_comma(world, own):
    market = 'query_market = { column = "city", after_last = "," }'
    mapping = MAPPING.replace('query_market = { constant = "lisbon" }', market)
    header = HEADER.replace("at,", "at,city,")
    own(f'{header}S1,{AT},"Bath, Avon, United Kingdom",,L1,5\nS2,{AT},Macau,,L1,5\n', mapping)
    assert _rows(world, "market") == [("united_kingdom",), ("macau",)]
