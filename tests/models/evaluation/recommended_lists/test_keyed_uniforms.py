"""Numbers that are a function of the codes alone, and look like chance."""

from __future__ import annotations

import numpy as np
from scipy.stats import kstest

from models.evaluation.recommended_lists.keyed_uniforms import keys_of, uniforms


def _mixed_by_hand(key, code):
    mask = 2**64 - 1
    mixed = (key + 0x9E3779B97F4A7C15 * (code % 2**64 + 1)) & mask
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & mask
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
    return mixed ^ (mixed >> 31)


def test_keys_are_splitmix64_of_the_codes():
    key = 0
    for code in (3, -1, 12345):
        key = _mixed_by_hand(key, code)
    keys = keys_of(3, -1, np.array([12345, 7]))
    assert int(keys[0]) == key
    assert uniforms(keys, 4)[0] == (_mixed_by_hand(key, 4) >> 11) / 2**53


def test_neighbouring_codes_give_unrelated_uniform_numbers():
    guests, listings = np.divmod(np.arange(40_000), 200)
    keys = keys_of(1, 0, guests, listings)
    first, second = uniforms(keys, 0), uniforms(keys, 1)
    assert len(np.unique(keys)) == 40_000
    assert kstest(first, "uniform").pvalue > 0.001
    for other in (second, np.roll(first, 1), np.roll(first, 200)):
        assert abs(np.corrcoef(first, other)[0, 1]) < 4 / np.sqrt(40_000)


def test_the_order_of_the_codes_matters():
    one, two = np.array([1]), np.array([2])
    assert keys_of(one, two)[0] != keys_of(two, one)[0]
    assert keys_of(0, one)[0] != keys_of(one)[0]
