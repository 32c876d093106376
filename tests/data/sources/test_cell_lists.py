"""Cells that hold several values: what is one element, and what is no list."""

from __future__ import annotations

import polars as pl
import pytest

from data.sources.cell_lists import named_values, read_lists
from data.sources.explode_rules import ExplodedColumn


def _read(raw: pl.Series, **spec: object) -> tuple[list[object], list[bool]]:
    read = read_lists(raw, ExplodedColumn.model_validate({"column": "c", **spec}))
    return read.lists.to_list(), read.is_unreadable.to_list()


@pytest.mark.parametrize(
    ("cell", "spec", "elements"),
    [
        ("51|105|", {"separator": "|"}, ["51", "105", ""]),
        ("51", {"separator": "|"}, ["51"]),
        ("a.b", {"separator": "."}, ["a", "b"]),
        ("a, b,c", {"separator": ", "}, ["a", "b,c"]),
        (" N1-0 \t N2-1\n", {"separator": " "}, ["N1-0", "N2-1"]),
        ("a::b", {"separator": "::"}, ["a", "b"]),
        ("['a', \"b\"]", {"separator": ",", "brackets": True}, ["a", "b"]),
        ("{1,2}", {"separator": ",", "brackets": True}, ["1", "2"]),
        ("(1, 2)", {"separator": ",", "brackets": True}, ["1", "2"]),
        ("[1 2\n 3]", {"separator": " ", "brackets": True}, ["1", "2", "3"]),
        ("[a]|[b]", {"separator": "|"}, ["[a]", "[b]"]),
        ("[]", {"separator": ",", "brackets": True}, []),
        ('5" tv|b', {"separator": "|"}, ['5" tv', "b"]),
        ('["a, b", "c"]', {}, ["a, b", "c"]),
        ("[1, 2.50, true, null]", {}, ["1", "2.50", "true", None]),
        ("[9007199254740993.0]", {}, ["9007199254740993.0"]),
        ("[]", {}, []),
        ('[{"id": 5}, {"id": "x"}, {}]', {"field": "id"}, ["5", "x", None]),
        ('[{"item": {"id": 5}}]', {"field": "item.id"}, ["5"]),
        ("", {"separator": "|"}, None),
        (" NA ", {"separator": "|"}, None),
        ("null", {}, None),
    ],
)
def test_elements_of_a_text(cell, spec, elements):
    # beside another cell, since a column is read whole
    read, is_unreadable = _read(pl.Series("c", [cell, None]), **spec)
    assert (read, is_unreadable) == ([elements, None], [False, False])


@pytest.mark.parametrize(
    ("cell", "spec"),
    [
        ('["a, b", "c"]', {"separator": ",", "brackets": True}),
        ("1,2", {"separator": ",", "brackets": True}),
        ("a|b", {}),
        ("[1, 2", {}),
        ("[" * 100_000, {}),
        ('{"id": 5}', {}),
        ("[[1], [2]]", {}),
        ('[{"id": [1]}]', {"field": "id"}),
    ],
)
def test_text_that_is_no_list_is_unreadable(cell, spec):
    assert _read(pl.Series("c", [cell, None]), **spec)[1] == [True, False]


def test_arrays_are_lists_as_they_are():
    numbers = pl.Series("c", [[1, 2], [], None])
    assert _read(numbers)[0] == [[1, 2], [], None]
    assert _read(pl.Series("c", [[1, 2]], dtype=pl.Array(pl.Int64, 2)))[0] == [[1, 2]]
    categories = pl.Series("c", [["a"]], dtype=pl.List(pl.Categorical))
    assert _read(categories)[0] == [["a"]]


def test_field_of_objects():
    events = pl.Series("c", [[{"aid": 1, "at": {"ms": 5}}, {"aid": None, "at": None}], None])
    assert _read(events, field="aid")[0] == [[1, None], None]
    assert _read(events, field="at.ms")[0] == [[5, None], None]


@pytest.mark.parametrize(
    ("raw", "spec", "message"),
    [
        (pl.Series("c", [5]), {}, "holds Int64, and a list is needed; or name a separator"),
        (pl.Series("c", [{"a": 1}]), {}, "a list is needed"),
        (pl.Series("c", [[{"a": 1, "b": 2}]]), {}, r"field = .* \(of a, b\)"),
        (pl.Series("c", [[{"a": 1}]]), {"field": "z"}, "no field 'z' in its elements; they have a"),
        (pl.Series("c", [[1]]), {"field": "z"}, "they have none"),
    ],
)
def test_column_that_cannot_hold_the_lists_is_refused(raw, spec, message):
    with pytest.raises(ValueError, match=message):
        _read(raw, **spec)


def test_separator_and_array_are_not_both_declared():
    with pytest.raises(ValueError, match="keep separator or field"):
        ExplodedColumn.model_validate({"column": "c", "separator": "|", "field": "id"})
    with pytest.raises(ValueError, match="brackets needs separator"):
        ExplodedColumn.model_validate({"column": "c", "brackets": True})


def test_named_values_of_plain_cells_and_of_lists():
    plain = pl.Series("c", ["L1", None, " L2 ", "NA"])
    assert named_values(plain, None).rows() == [(0, "L1"), (2, "L2")]
    texts = pl.Series("c", ["L1|L2", "", "L3"])
    assert named_values(texts, "|").rows() == [(0, "L1"), (0, "L2"), (2, "L3")]
    arrays = pl.Series("c", [[7, 8], None, []])
    assert named_values(arrays, None).rows() == [(0, "7"), (0, "8")]
    assert named_values(pl.Series("c", [], dtype=pl.String), None).rows() == []
