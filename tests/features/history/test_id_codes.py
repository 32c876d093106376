"""Ids as codes and back."""

from __future__ import annotations

import polars as pl

from features.history.id_codes import codes_of, encode_ids, text_of

TEXT = pl.DataFrame({"id_user": ["u", None, "v", "u"], "market": ["rio", "rio", "sp", "sp"]})


def test_equal_ids_get_equal_codes_in_every_frame_and_null_stays_null() -> None:
    first = encode_ids(TEXT)["id_user"].to_list()
    other = encode_ids(pl.DataFrame({"id_user": ["v", "w", "u"]}))["id_user"].to_list()
    assert (first[1], first[3]) == (None, first[0])
    assert (other[0], other[2]) == (first[2], first[0])
    assert len({first[0], first[2], other[1]}) == 3


def test_an_id_has_one_code_in_whichever_column_it_stands() -> None:
    coded = encode_ids(pl.DataFrame({"id_search": ["same"], "id_listing": ["same"]}))
    assert coded["id_search"].to_list() == coded["id_listing"].to_list()


def test_other_columns_than_ids_keep_their_text() -> None:
    coded = encode_ids(TEXT)
    assert coded["id_user"].dtype == pl.UInt32
    assert coded["market"].equals(TEXT["market"])


def test_codes_become_the_text_that_they_stand_for() -> None:
    ids = pl.Series(["v", "new here", "u", "v"])
    assert text_of(codes_of(ids)).to_list() == ids.to_list()
    assert (
        codes_of(ids).tolist() == encode_ids(ids.alias("id_user").to_frame())["id_user"].to_list()
    )


def test_no_ids_have_no_codes() -> None:
    assert codes_of(pl.Series([], dtype=pl.String)).tolist() == []
    assert text_of(codes_of(pl.Series([], dtype=pl.String))).to_list() == []
