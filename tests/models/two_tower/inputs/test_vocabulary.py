"""Ids as indices: sorted, 0 for what is unknown, and back again."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from models.two_tower.inputs.vocabulary import Vocabulary


def test_vocabulary_keeps_index_zero_for_the_unseen_and_null() -> None:
    words = Vocabulary.of([pa.array(["b", None, "a"])])
    assert words.index(pa.array(["a", "b", "c", None])).tolist() == [1, 2, 0, 0]
    assert words.size == 3


def test_a_dictionary_typed_column_is_read_as_its_values() -> None:
    words = Vocabulary.of([pa.array(["b", "a"]).dictionary_encode()])
    assert words.to_list() == ["a", "b"]


def test_the_distinct_values_of_several_columns_are_sorted_as_text() -> None:
    """Integers too: 10 comes before 9, and chunks or repetitions make no difference."""
    columns = [pa.chunked_array([[9], [10, 9]]), pa.array(["9", "a"])]
    words = Vocabulary.of(columns)
    assert words.to_list() == ["10", "9", "a"]
    assert words.index(pa.array([9, 10, 11])).tolist() == [2, 1, 0]


def test_an_index_becomes_its_value_again_and_zero_becomes_null() -> None:
    words = Vocabulary.of([pa.array(["b", "a"])])
    assert words.ids(np.array([2, 0, 1, 2])).to_pylist() == ["b", None, "a", "b"]
    assert Vocabulary.from_list(words.to_list()).values.equals(words.values)


def test_without_a_column_everything_is_unseen() -> None:
    words = Vocabulary.of([])
    assert (words.size, words.index(pa.array(["a", None])).tolist()) == (1, [0, 0])
