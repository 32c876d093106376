"""The draft of a mapping: what it makes of logs of many shapes, and that what it drafts runs."""

from __future__ import annotations

import tomllib
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from data.ingest import IngestReport
from data.sources.draft import Draft, draft_mapping

SHARED = Path(__file__).parents[4] / "shared" / "data"


@pytest.fixture
def drafted(world):
    """Draft from a whole log, then ingest the log under the draft as it stands."""

    def make(log: str | pl.DataFrame) -> tuple[dict, Draft, IngestReport]:
        if isinstance(log, str):
            path, rows = world.file(log), pl.read_csv(log.encode(), infer_schema=False)
        else:
            path, rows = world.folder / "log.parquet", log
            rows.write_parquet(path)
        draft = draft_mapping(rows, path.name)
        assert draft.missing == {}
        text = draft.as_toml()
        report = world.ingest(path, source=world.file(text, "draft.toml"))
        return tomllib.loads(text), draft, report

    return make


def _doubts(draft: Draft) -> dict[str, str]:
    sections = (*draft.settings, *draft.explode, *draft.columns, *draft.labels)
    return {line.key: line.unsure for line in sections if line.unsure}


CLICKS = "user,item,time\n" + "".join(
    f"u{n % 7},i{n % 11},2020-05-0{1 + n % 9} 10:{n:02d}:00\n" for n in range(40)
)


def test_plain_clicks(drafted, world):
    mapping, draft, report = drafted(CLICKS)
    assert mapping["columns"] == {
        "id_search": {"join": ["user", "time"]},
        "id_listing": "item",
        "ts_search": "time",
        "query_market": {"constant": "all"},
        "id_user": "user",
        "label": {"constant": "clicked"},
    }
    assert report.rows_accepted == 40
    assert set(_doubts(draft)) == {"id_search", "query_market", "label"}
    assert "no column tells what the guest did" in _doubts(draft)["label"]


def _click_outs(separator: str = "|") -> str:
    lines = ["session_id,step,timestamp,city,reference,shown,prices"]
    for n in range(30):
        listings = [str(100 + (n + k) % 17) for k in range(2 + n % 4)]
        prices = [str(50 + k) for k in range(len(listings))]
        lines.append(
            f's{n // 2},{n},{1541132808 + 60 * n},"Paraty, Brazil",{listings[-1]},'
            f'"{separator.join(listings)}","{separator.join(prices)}"'
        )
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("separator", ["|", ";", ",", " "])
def test_lists_in_cells(drafted, world, separator):
    mapping, draft, report = drafted(_click_outs(separator))
    assert mapping["time_format"] == "epoch_seconds"
    assert mapping["explode"] == {
        "shown": {"column": "shown", "separator": separator},
        "price": {"column": "prices", "separator": separator},
    }
    columns = mapping["columns"]
    assert columns["id_search"] == {"join": ["session_id", "step"]}
    assert columns["label"]["first_true"] == [
        {"word": "clicked", "when": {"equals": ["shown", "reference"]}}
    ]
    assert (columns["position"], columns["listing_total_price"]) == ({"list_order": True}, "price")
    assert columns["query_market"] == {"column": "city", "after_last": ","}
    assert report.rows_quarantined == 0
    clicked = world.lake.scan("impressions").filter(stage=1).collect()
    assert clicked.height == 30
    assert "reference names an element of shown" in _doubts(draft)["label"]


def test_arrays_of_objects_are_events_of_a_session(drafted, world):
    start = 1_659_304_800_025
    kinds = ["clicks", "carts", "orders"]
    events = [
        [
            {"aid": 100 + (n + k) % 9, "ts": start + 60_000 * (n + k), "type": kinds[(n + k) % 3]}
            for k in range(1 + n % 4)
        ]
        for n in range(20)
    ]
    mapping, _, report = drafted(pl.DataFrame({"session": range(20), "events": events}))
    assert mapping["time_format"] == "epoch_milliseconds"
    assert mapping["explode"] == {
        name: {"column": "events", "field": name} for name in ("aid", "ts", "type")
    }
    assert mapping["columns"]["id_search"] == {"join": ["session", "ts"]}
    assert mapping["labels"] == {
        "clicked": ["clicks"],
        "contacted": ["carts"],
        "booked": ["orders"],
    }
    assert mapping["columns"]["ds_book"] == {
        "date": "ts",
        "when": {"column": "type", "words": ["orders"]},
    }
    assert "position" not in mapping["columns"]
    stages = world.lake.scan("impressions").collect()["stage"].unique().sort().to_list()
    assert (stages, report.rows_quarantined) == ([1, 2, 3], 0)


def test_suffixes_are_labels(drafted, world):
    lines = ["impression_id,user_id,time,impressions"]
    lines += [
        f"{n},U{n % 5},2019-11-15 08:{n:02d}:22,N{n}-0 N{n + 1}-1 N{n + 2}-0" for n in range(30)
    ]
    mapping, _, report = drafted("\n".join(lines) + "\n")
    assert mapping["explode"]["listing"] == {
        "column": "impressions",
        "separator": " ",
        "suffix": {"separator": "-", "name": "was_clicked"},
    }
    assert mapping["columns"]["id_search"] == "impression_id"
    clicked = world.lake.scan("impressions").filter(stage=1).collect()
    assert (clicked.height, set(clicked["position"])) == (30, {2})
    assert report.rows_quarantined == 0


@pytest.mark.parametrize(
    ("cell", "declared"),
    [
        ("[{0}, {1}]", {}),
        ("['{0}', '{1}']", {"separator": ",", "brackets": True}),
        ("{{{0},{1}}}", {"separator": ",", "brackets": True}),
        ("[{0} {1}]", {"separator": " ", "brackets": True}),
    ],
)
def test_arrays_written_as_text(drafted, cell, declared):
    rows = [
        {"search_id": str(n), "at": f"2020-05-01 10:{n:02d}", "clicked": str(n)} for n in range(30)
    ]
    listed = [row | {"hotels": cell.format(n, n + 1)} for n, row in enumerate(rows)]
    log = pl.DataFrame(listed).write_csv()
    mapping, _, report = drafted(log)
    assert mapping["explode"] == {"hotel": {"column": "hotels", **declared}}
    assert (report.rows_accepted, report.rows_quarantined) == (60, 0)


def test_lists_of_what_was_clicked_and_booked(drafted, world):
    rows = [
        {
            "search_id": str(n),
            "at": f"2020-05-01 10:{n:02d}",
            "shown": "|".join(f"h{n + k}" for k in range(4)),
            "clicked": f"h{n}|h{n + 1}",
            "booked": f"h{n}" if n % 3 else "",
        }
        for n in range(30)
    ]
    mapping, _, report = drafted(pl.DataFrame(rows).write_csv())
    assert mapping["columns"]["label"]["first_true"] == [
        {"word": "booked", "when": {"equals": ["shown", "booked"]}},
        {"word": "clicked", "when": {"equals": ["shown", "clicked"], "separator": "|"}},
    ]
    stages = world.lake.scan("impressions").group_by("stage").len().sort("stage").collect()
    assert stages.rows() == [(0, 60), (1, 40), (3, 20)]
    assert report.rows_quarantined == 0


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        (
            "id_busqueda,usuario,anuncio_id,fecha,ciudad,accion,precio",
            ("id_busqueda", "usuario", "anuncio_id", "fecha", "ciudad", "accion", "precio"),
        ),
        (
            "Suche ID;Nutzer;Unterkunft;Zeitpunkt;Stadt;Aktion;Preis",
            ("Suche ID", "Nutzer", "Unterkunft", "Zeitpunkt", "Stadt", "Aktion", "Preis"),
        ),
        (
            "searchId,visitorID,propertyId,createdAt,market,eventType,totalPrice",
            (
                "searchId",
                "visitorID",
                "propertyId",
                "createdAt",
                "market",
                "eventType",
                "totalPrice",
            ),
        ),
    ],
)
def test_names_of_other_languages(world, header, columns):
    separator = ";" if ";" in header else ","
    words = ("shown", "click", "buchung")
    lines = [header] + [
        separator.join(
            [f"s{n // 3}", f"u{n // 3}", f"L{n}", "2020-05-01 10:00", "Lisboa", words[n % 3], "99"]
        )
        for n in range(30)
    ]
    text = "\n".join(lines) + "\n"
    draft = draft_mapping(
        pl.read_csv(text.encode(), separator=separator, infer_schema=False), "log.csv"
    )
    path = world.file(text)
    report = world.ingest(path, source=world.file(draft.as_toml(), "draft.toml"))
    assert (report.rows_accepted, report.rows_quarantined) == (30, 0)
    targets = ("id_search", "id_user", "id_listing", "ts_search", "query_market", "label")
    found = {line.key: line.value for line in draft.columns}
    for target, column in zip((*targets, "listing_total_price"), columns, strict=True):
        assert found[target] == f'"{column}"', target


@pytest.mark.parametrize(
    ("texts", "time_format", "is_sure"),
    [
        (["2018-02-05 10:30", "2018-02-06 10:30"], "auto", True),
        (["5/2/18 10:30", "16/2/18 10:30"], "day_first", True),
        (["2/5/18 10:30", "2/16/18 10:30"], "auto", True),
        (["5/2/2018 10:30", "6/2/2018 10:30", "7/2/2018 10:30"], "day_first", False),
        (["2/5/18 10:30", "2/6/18 10:30", "2/7/18 10:30"], "auto", False),
        (["1541132808", "1541132909"], "epoch_seconds", True),
        (["1541132808000", "1541132909000"], "epoch_milliseconds", True),
        (["20180205103000", "20180206103000"], "%Y%m%d%H%M%S", True),
        (["05/Feb/2018:10:30:00", "06/Feb/2018:10:30:00"], "%d/%b/%Y:%H:%M:%S", True),
    ],
)
def test_how_times_are_written(drafted, texts, time_format, is_sure):
    log = "query_id,room,at\n" + "".join(f"q{n},r{n},{text}\n" for n, text in enumerate(texts))
    mapping, draft, report = drafted(log)
    assert mapping.get("time_format", "auto") == time_format
    assert ("ts_search" not in _doubts(draft)) == is_sure
    assert report.rows_accepted == len(texts)


def test_zone_is_that_of_the_market_where_its_name_says_so(drafted):
    rows = [(f"q{n}", f"r{n}", "2020-05-01T10:00:00Z", "Lisbon") for n in range(9)]
    log = pl.DataFrame(rows, schema=["query_id", "room", "at", "city"], orient="row").write_csv()
    mapping, draft, _ = drafted(log)
    assert mapping["time_zone"] == "Europe/Lisbon"
    assert "name of the market, 'Lisbon'" in _doubts(draft)["time_zone"]


def test_flags_dates_of_booking_and_a_booking_window(drafted, world):
    lines = ["srch_id,prop_id,date_time,clicked,is_booked,booked_on,booking_window,nights,score"]
    for n in range(30):
        booked = n % 3 == 0
        day = "2020-05-03" if booked else ""
        lines.append(
            f"{n // 3},{n},2020-05-01 10:00,{int(n % 3 < 2)},{int(booked)},{day},5,2,{n % 2 * 4}"
        )
    mapping, _, report = drafted("\n".join(lines) + "\n")
    assert mapping["columns"]["ds_book"] == "booked_on"
    assert mapping["columns"]["query_checkout"]["plus_days"] == ["booking_window", "nights"]
    assert mapping["columns"]["listing_review_rating"]["null_if"] == ["0", "0.0"]
    assert report.files[0].nulled == ()
    assert world.lake.scan("impressions").filter(stage=3).collect().height == 10


def test_words_that_say_no_action_are_named_with_what_becomes_of_them(drafted, world):
    lines = [f"s{n},L{n},2020-05-01 10:00,{'click' if n % 3 else 'logout'}\n" for n in range(30)]
    _, draft, report = drafted("search_id,listing_id,ts,action\n" + "".join(lines))
    assert "'logout' are quarantined" in _doubts(draft)["label"]
    assert report.rows_quarantined == 10


def test_guests_own_rating_is_no_attribute_of_the_listing():
    rows = pl.DataFrame(
        {
            "user_id": [str(n) for n in range(60)],
            "item_id": [str(n % 5) for n in range(60)],
            "timestamp": [str(881_250_949 + n) for n in range(60)],
            "rating": [str(1 + n * 7 % 5) for n in range(60)],
        }
    )
    draft = draft_mapping(
        rows.with_columns(rating=pl.col("rating").reverse().shuffle(seed=1)), "r.csv"
    )
    assert "listing_review_rating" not in {line.key for line in draft.columns}
    assert "a guest's own" in draft.not_taken["rating"]
    mean = rows.with_columns(rating=pl.col("item_id"))
    of_listing = draft_mapping(mean, "r.csv")
    assert "listing_review_rating" in {line.key for line in of_listing.columns}


@pytest.mark.parametrize(
    ("log", "missing"),
    [
        ("query_id,room,day\nq1,r1,2020-05-01\n", {"ts_search"}),
        ("query_id,colour,at\nq1,red,2020-05-01 10:00\n", {"id_listing"}),
        ("a,b\n1,2\n", {"id_search", "id_listing", "ts_search"}),
    ],
)
def test_what_the_log_does_not_show_is_one_line_each_to_be_written(log, missing):
    draft = draft_mapping(pl.read_csv(log.encode(), infer_schema=False), "log.csv")
    assert set(draft.missing) == missing
    text = draft.as_toml()
    tomllib.loads(text)
    for name in missing:
        assert f'# {name} = "…"' in text
        assert f"MISSING: {draft.missing[name].split()[0]}" in text


def test_draft_runs_once_the_missing_line_is_written(world):
    log = "query_id,colour,at\nq1,red,2020-05-01 10:00\nq1,blue,2020-05-01 10:00\n"
    draft = draft_mapping(pl.read_csv(log.encode(), infer_schema=False), "log.csv")
    mended = draft.as_toml().replace('# id_listing = "…"', 'id_listing = "colour"')
    assert world.ingest(world.file(log), source=world.file(mended, "own.toml")).rows_accepted == 2


def test_names_with_quotes_line_ends_and_other_scripts_make_a_toml_that_reads(drafted):
    log = pl.DataFrame(
        {
            "поиск": ["q1", "q2"],
            'отель "id"': ["r1", "r2"],
            "время": [datetime(2020, 5, 1, 10)] * 2,  # noqa: DTZ001  local time of the log
            "город\nстраны": ["Nara", "Kobe"],
        }
    )
    mapping, _, report = drafted(log)
    assert mapping["columns"]["id_listing"] == 'отель "id"'
    assert mapping["columns"]["query_market"] == "город\nстраны"
    assert report.rows_in == 2


@pytest.mark.parametrize(
    ("folder", "file", "rows"),
    [
        ("expedia_2013", "search_results.csv", 7_109),
        ("trivago_2019", "clickouts.csv", 6_762),
        ("movielens_100k", "ratings.tsv", 100_000),
    ],
)
def test_real_logs(world, folder, file, rows):
    path = SHARED / folder / file
    if not path.is_file():
        pytest.skip(f"../shared/data/{folder} is absent")
    separator = "\t" if file.endswith("tsv") else ","
    sample = pl.read_csv(path, infer_schema=False, separator=separator, n_rows=5_000)
    draft = draft_mapping(sample, file)
    assert draft.missing == {}
    report = world.ingest(path, source=world.file(draft.as_toml(), "draft.toml"))
    assert (report.rows_in, report.rows_accepted) == (rows, rows)
    values = {line.key: line.value for line in draft.columns}
    assert (
        values["query_market"]
        == {
            "expedia_2013": '"prop_country_id"',
            "trivago_2019": '{ column = "city", after_last = "," }',
            "movielens_100k": '{ constant = "all" }',
        }[folder]
    )
    if folder == "movielens_100k":
        assert {"id_search", "query_market", "label"} <= set(_doubts(draft))
