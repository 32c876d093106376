"""Labels, markets and ids of any script and any type, from a file to the lake."""

from __future__ import annotations

import io
import json
import uuid
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import LogError, MappingError
from data.ingest import IngestOptions
from data.schema.reason_codes import Reason
from data.sources.mapping import load_mapping

COLUMNS = ("id_search", "id_listing", "id_user", "label", "ts_search", "query_market", "ds_book")
OWN = 'name = "own"\n' + "{top}[columns]\n" + "".join(f'{c} = "{c}"\n' for c in COLUMNS)


@pytest.fixture
def own(world):
    """Write a mapping of the log's own columns, with more lines above its columns."""

    def written(top: str = "", columns: str = "") -> Path:
        return world.file(OWN.format(top=top) + columns, "own.toml")

    return written


def _parquet(columns: dict[str, object], rows: int = 2) -> bytes:
    """A log of sound rows with these columns in place of its own."""
    sound: dict[str, object] = {
        "id_search": [f"S{i}" for i in range(rows)],
        "id_listing": [f"L{i}" for i in range(rows)],
        "id_user": [f"U{i}" for i in range(rows)],
        "label": ["impressed"] * rows,
        "ts_search": ["2018-02-05 10:30"] * rows,
        "query_market": ["Rio de Janeiro"] * rows,
        "ds_book": ["2018-02-06"] * rows,
    }
    buffer = io.BytesIO()
    pq.write_table(pa.table(sound | columns), buffer)
    return buffer.getvalue()


def test_labels_of_another_script_are_told_apart(world, row, own):
    mapping = own('labels.impressed = ["показ"]\nlabels.clicked = ["клик"]\n')
    log = world.log(row(1, label="показ"), row(2, label="КЛИК"), row(3, label="заказ"))
    report = world.ingest(log, source=mapping)
    assert [impression["stage"] for impression in world.impressions()] == [0, 1]
    assert report.files[0].quarantined == {str(Reason.LABEL_UNKNOWN): 1}


def test_markets_of_other_scripts_and_signs_are_told_apart(world, row, own):
    words = ["東京", "Σαντορίνη", "Москва", "القاهرة", "-1", "1", "København", "K-benhavn"]
    again = ["ΣΑΝΤΟΡΊΝΗ", "МОСКВА", "1.0", "KØBENHAVN"]
    rows = [row(i, query_market=word) for i, word in enumerate([*words, *again])]
    world.ingest(world.log(*rows), source=own())
    market = [impression["market"] for impression in world.impressions()]
    assert len(set(market[:8])) == 8
    assert market[8:] == [market[1], market[2], market[5], market[6]]


def test_slugs_are_the_same_whatever_the_order_of_the_rows(world, row, own, make_world, tmp_path):
    words = ["Sao Paulo", "São Paulo", "北京", "東京"]
    other = make_world(tmp_path / "other")
    other.folder.mkdir()
    for each, order in ((world, words), (other, words[::-1])):
        each.ingest(
            each.log(*(row(i, query_market=word) for i, word in enumerate(order))), source=own()
        )
    market = [impression["market"] for impression in world.impressions()]
    assert market == [impression["market"] for impression in other.impressions()][::-1]
    assert len(set(market)) == 4


def test_markets_that_differ_in_accents_alone_are_a_finding(world, row, own):
    first = world.log(row(1, query_market="Sao Paulo"), row(2, query_market="東京"))
    second = world.log(row(3, query_market="北京"), name="b.csv")
    third = world.log(row(4, query_market="São Paulo"), name="c.csv")
    mapping = own()
    for log in (first, second):
        assert world.ingest(log, source=mapping).findings == ()
    report = world.ingest(third, source=mapping)
    (finding,) = report.findings
    assert finding.startswith("markets sao_paulo, sao_paulo__")
    assert "list it in a mapping" in finding


def test_listed_market_is_found_by_any_spelling_of_its_word(world, row, own):
    mapping = own('[markets.tokyo]\nspellings = ["東京", "Tōkyō", 13]\n')
    words = ["東京", "tokyo", "TŌKYŌ", "Tokyo", "13", "13.0"]
    report = world.ingest(
        world.log(*(row(i, query_market=w) for i, w in enumerate([*words, "-13", "京"]))),
        source=mapping,
    )
    assert [impression["market"] for impression in world.impressions()] == ["tokyo"] * len(words)
    assert report.files[0].quarantined == {str(Reason.MARKET_UNKNOWN): 2}


@pytest.mark.parametrize(
    ("top", "first", "second"),
    [
        ('labels.clicked = ["Клик"]\nlabels.booked = ["КЛИК"]\n', "'Клик'", "'КЛИК'"),
        ('labels.clicked = ["my-word"]\nlabels.booked = ["My Word"]\n', "'my-word'", "'My Word'"),
        ("labels.clicked = [1]\nlabels.booked = [1.0]\n", "'1'", "'1.0'"),
        (
            '[markets.a]\nspellings = ["東京"]\n[markets.b]\nspellings = [" 東京 "]\n',
            "'東京'",
            "' 東京 '",
        ),
        ('[markets.rio]\n[markets.b]\nspellings = ["RIO"]\n', "'rio'", "'RIO'"),
    ],
)
def test_mapping_in_which_two_spellings_collide_is_refused_naming_both(own, top, first, second):
    with pytest.raises(MappingError, match=r"own\.toml") as refusal:
        load_mapping(own(top))
    assert first in str(refusal.value)
    assert second in str(refusal.value)


def test_guest_called_nan_is_nobody(world, row):
    spellings = ["nan", "NaN", "<NA>", "None", "NULL", "NaT", "-nan", "#N/A", "\\N", "undefined"]
    world.ingest(world.log(*(row(i, id_user=word) for i, word in enumerate(spellings))))
    assert {impression["id_user"] for impression in world.impressions()} == {None}


def test_search_and_listing_called_nan_are_missing(world, row):
    world.ingest(world.log(row(1), row(2, id_search="nan"), row(3, id_listing="<NA>")))
    assert world.quarantine() == [(3, "identity_missing"), (4, "identity_missing")]


def test_float_nan_in_a_parquet_id_is_null(world):
    content = _parquet({"id_user": [float("nan"), 7.0], "id_listing": [float("nan"), 8.0]})
    world.ingest(world.file(content, "log.parquet"))
    assert [(i["id_user"], i["id_listing"]) for i in world.impressions()] == [("7", "8")]
    assert world.quarantine() == [(1, "identity_missing")]


@pytest.mark.parametrize("labels", [[0.0, 1.0], ["0.0", "1.0"], [0, 1]])
def test_labels_as_numbers_by_the_mapping(world, own, labels):
    mapping = own("labels.impressed = [0]\nlabels.clicked = [1]\n")
    world.ingest(world.file(_parquet({"label": labels}), "log.parquet"), source=mapping)
    assert [impression["stage"] for impression in world.impressions()] == [0, 1]


@pytest.mark.parametrize(
    "ids",
    [
        pa.array([20, 21]),
        pa.array([20.0, 21.0]),
        pa.array([Decimal("20.00"), Decimal("21.00")], pa.decimal128(20, 2)),
        pa.array([Decimal("20.00"), Decimal("21.00")], pa.decimal256(60, 2)),
        pa.array([b"20", b"21"]),
        pa.array(["20", "21"]).dictionary_encode(),
        pa.array([" 20 ", "21.0"]),
    ],
)
def test_ids_of_any_type_are_equal_to_their_spelling_in_a_csv(world, row, ids):
    content = _parquet({"id_search": ids, "id_listing": ids, "id_user": ids})
    world.ingest(world.file(content, "log.parquet"))
    csv = world.log(row(1, id_search="20", id_listing="20", id_user="20"), name="again.csv")
    report = world.ingest(csv)
    ids = [(i["id_search"], i["id_listing"], i["id_user"]) for i in world.impressions()]
    assert ids == [("20",) * 3, ("21",) * 3]
    assert report.files[0].quarantined == {str(Reason.DUPLICATE): 1}


@pytest.mark.parametrize("name", ["id_search", "id_listing", "id_user", "query_market"])
def test_float_ids_beyond_2_53_refuse_the_file(world, own, name):
    content = _parquet({name: [5.0, 1234567890123456789.0]})
    for options in (IngestOptions(), IngestOptions(pseudonym_key="k" * 16)):
        with pytest.raises(LogError) as refusal:
            world.ingest(world.file(content, "log.parquet"), source=own(), options=options)
        for words in ("log.parquet, line 2", f"column {name}", "Float64", "Write the ids as text"):
            assert words in str(refusal.value)
    assert not world.lake.exists("impressions")


def test_float_ids_up_to_2_53_are_exact(world):
    world.ingest(world.file(_parquet({"id_listing": [2.0**53, 1.0]}), "log.parquet"))
    assert [impression["id_listing"] for impression in world.impressions()] == [str(2**53), "1"]


def test_null_if_is_heeded_before_the_digits_are_counted(world, own):
    rule = 'id_user = { column = "id_user", null_if = ["1e+300"] }'
    mapping = own().read_text().replace('id_user = "id_user"', rule)
    content = _parquet({"id_user": [1e300, 7.0]})
    world.ingest(world.file(content, "log.parquet"), source=world.file(mapping, "own.toml"))
    assert [impression["id_user"] for impression in world.impressions()] == [None, "7"]


def test_boolean_ids_refuse_the_file(world):
    with pytest.raises(LogError, match="id_user, read as id_user, is of type Boolean"):
        world.ingest(world.file(_parquet({"id_user": [True, False]}), "log.parquet"))


def test_ids_of_a_spreadsheet_are_never_taken_for_duplicates(world, row):
    rows = [row(i, id_search="1.23457E+15", id_listing=f"{i}") for i in range(600)]
    with pytest.raises(LogError, match=r"every one of its 600 rows.*1\.23457E"):
        world.ingest(world.log(*rows))
    some = [row(i, id_listing="1.23457E+15" if i < 20 else f"{i}") for i in range(60)]
    report = world.ingest(world.log(*some))
    assert report.files[0].quarantined == {str(Reason.IDENTITY_INEXACT): 20}
    assert world.accounts_for_every_row()


def test_guest_id_without_its_digits_is_quarantined_under_a_pseudonym_key_too(world, row):
    rows = [row(1), row(2, id_user="1.23457E+15"), row(3, id_user="1234567890123456768.0")]
    world.ingest(world.log(*rows), options=IngestOptions(pseudonym_key="k" * 16))
    assert [line for line, reasons in world.quarantine() if reasons == "identity_inexact"] == [3, 4]
    assert "2345" not in "".join(world.lake.scan("quarantine").collect()["row"])


def test_null_if_of_a_number_holds_for_a_float_column_and_for_its_text(world, own):
    columns = 'listing_review_rating = { column = "score", null_if = ["0"] }\n'
    for score in ([0.0, 4.5], ["0.0", "4.5"], ["0", "4.50"], [Decimal("0.00"), Decimal("4.50")]):
        content = _parquet({"score": score, "id_search": [f"{score}{i}" for i in (1, 2)]})
        world.ingest(world.file(content, "log.parquet"), source=own(columns=columns))
    ratings = Counter(impression["listing_review_rating"] for impression in world.impressions())
    assert ratings == {None: 4, 4.5: 4}


def _odd_columns(rows: int) -> dict[str, pa.Array]:
    """Columns that no mapping reads, in types that a search log need not know."""
    guid = [uuid.UUID(int=i).bytes for i in range(rows)]
    return {
        "bytes": pa.array([b"\xff\x00"] * rows),
        "guid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array(guid, pa.binary(16))),
        "fixed": pa.array(guid, pa.binary(16)),
        "wkb": pa.array([b"\x01\x01\x00\x00\x00" + b"\xff" * 16] * rows),
        "long": pa.array([Decimal("1.25")] * rows, pa.decimal256(60, 2)),
        "list": pa.array([[1, None, 2]] * rows),
        "lists": pa.array([[[b"\xff"]]] * rows),
        "struct": pa.array([{"a": 1, "b": b"\xff"}] * rows),
        "map": pa.array([[("k", 1)]] * rows, pa.map_(pa.string(), pa.int64())),
        "word": pa.array(["w"] * rows).dictionary_encode(),
        "day": pa.array([date(2018, 2, 5)] * rows),
        "took": pa.array([timedelta(seconds=90)] * rows),
        "empty": pa.nulls(rows),
    }


def test_sound_parquet_with_columns_of_any_type_is_taken_and_a_quarantined_row_is_whole(world):
    content = _parquet({**_odd_columns(2), "label": ["impressed", "sold"]})
    report = world.ingest(world.file(content, "log.parquet"))
    assert (report.rows_accepted, world.quarantine()) == (1, [(2, "label_unknown")])
    assert set(_odd_columns(0)) <= set(report.files[0].ignored)
    (text,) = world.lake.scan("quarantine").collect()["row"]
    whole = json.loads(text)
    assert whole["bytes"] == "ff00"
    assert whole["guid"] == whole["fixed"] == str(uuid.UUID(int=1))
    assert whole["wkb"] == "0101000000" + "ff" * 16
    assert (whole["long"], whole["word"], whole["day"]) == ("1.25", "w", "2018-02-05")
    assert (whole["map"], json.loads(whole["struct"])) == ({"k": 1}, {"a": 1, "b": "ff"})
    assert json.loads(whole["lists"]) == [["ff"]]
    assert (whole["took"], whole["empty"], whole["list"]) == ("PT90S", None, [1, None, 2])


def test_uuids_are_read_as_their_usual_text(world):
    ids = [uuid.uuid5(uuid.NAMESPACE_URL, str(i)) for i in range(2)]
    storage = pa.array([each.bytes for each in ids], pa.binary(16))
    columns = {"id_search": pa.ExtensionArray.from_storage(pa.uuid(), storage), "id_user": storage}
    world.ingest(world.file(_parquet(columns), "log.parquet"))
    assert [i["id_search"] for i in world.impressions()] == [str(each) for each in ids]
    assert [i["id_user"] for i in world.impressions()] == [str(each) for each in ids]


@pytest.mark.parametrize("cells", [[["a"], ["b"]], [{"a": 1}, {"a": 2}]])
def test_mapped_nested_column_is_refused_naming_column_and_type(world, cells):
    with pytest.raises(LogError, match=r"log\.parquet: column id_listing.*(list|struct)<"):
        world.ingest(world.file(_parquet({"id_listing": pa.array(cells)}), "log.parquet"))
    assert world.is_untouched()
