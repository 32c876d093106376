"""Ids as codes and back."""

from __future__ import annotations

import narwhals as nw
import polars as pl

from features.history.id_codes import decode_ids, encode_ids, encode_ids_like

TEXT = pl.DataFrame({"id_user": ["u", None, "v", "u"], "market": ["rio", "rio", "sp", "sp"]})


def collected(frame: nw.LazyFrame[pl.LazyFrame]) -> pl.DataFrame:
    return frame.to_native().collect()


def test_equal_ids_get_equal_codes_in_every_frame_and_null_stays_null() -> None:
    first = encode_ids(TEXT.lazy()).collect()["id_user"].to_list()
    other = encode_ids(pl.LazyFrame({"id_user": ["v", "w", "u"]})).collect()["id_user"].to_list()
    assert (first[1], first[3]) == (None, first[0])
    assert (other[0], other[2]) == (first[2], first[0])
    assert len({first[0], first[2], other[1]}) == 3


def test_other_columns_than_ids_keep_their_text() -> None:
    coded = encode_ids(TEXT.lazy()).collect()
    assert coded["id_user"].dtype == pl.UInt32
    assert coded["market"].equals(TEXT["market"])


def test_decoding_gives_the_text_back_and_leaves_text_alone() -> None:
    coded = nw.from_native(encode_ids(TEXT.lazy()))
    assert collected(decode_ids(coded)).equals(TEXT, null_equal=True)
    assert collected(decode_ids(nw.from_native(TEXT.lazy()))).equals(TEXT, null_equal=True)


def test_ids_become_codes_only_where_the_other_frame_has_codes() -> None:
    text, coded = nw.from_native(TEXT.lazy()), nw.from_native(encode_ids(TEXT.lazy()))
    assert collected(encode_ids_like(text, coded)).equals(collected(coded), null_equal=True)
    assert collected(encode_ids_like(text, text)).equals(TEXT, null_equal=True)
