"""Windows cut between days, by number of days and by shares of the searches."""

from __future__ import annotations

import pytest

from data.time_split import SplitError, Windows, windows_by_days, windows_by_shares


def test_last_days_are_for_test_and_validation_and_days_without_searches_do_not_count():
    windows = windows_by_days([9, 1, 2, 2, 5], valid_days=1, test_days=2)
    assert windows == Windows(train=(1, 1), valid=(2, 2), test=(5, 9))
    assert windows.label_cutoff_day == 5


def test_windows_by_days_need_a_day_to_train_on():
    with pytest.raises(SplitError, match=r"searches on 2 day\(s\).*leave none to train on"):
        windows_by_days([4, 5])


@pytest.mark.parametrize(
    ("searches_per_day", "expected"),
    [
        # before day 8: 70 of 100 searches, the share to train on; before day 9: 85 of 100
        ({1: 40, 7: 30, 8: 15, 9: 15}, ((1, 7), (8, 8), (9, 9))),
        # before day 3: only 65, so day 3 is trained on too; the rest is split in two
        ({1: 40, 2: 25, 3: 15, 4: 10, 5: 10}, ((1, 3), (4, 4), (5, 5))),
        # one big day at the end, or at the beginning: a day is left for each window
        ({1: 1, 2: 1, 3: 98}, ((1, 1), (2, 2), (3, 3))),
        ({1: 98, 2: 1, 3: 1}, ((1, 1), (2, 2), (3, 3))),
    ],
)
def test_windows_by_shares_begin_where_their_share_has_passed(searches_per_day, expected):
    train, valid, test = expected
    windows = windows_by_shares(searches_per_day)
    assert windows == Windows(train=train, valid=valid, test=test)


def test_windows_by_shares_need_three_days():
    with pytest.raises(SplitError, match="at least 3 are needed"):
        windows_by_shares({1: 500, 2: 500})


def test_windows_that_overlap_are_refused():
    with pytest.raises(SplitError, match="out of order"):
        Windows(train=(1, 3), valid=(3, 4), test=(5, 6))


def test_windows_are_described_as_iso_dates():
    windows = Windows(train=(17_567, 17_570), valid=(17_571, 17_571), test=(17_572, 17_573))
    assert windows.describe() == {
        "train": "2018-02-05..2018-02-08",
        "valid": "2018-02-09..2018-02-09",
        "test": "2018-02-10..2018-02-11",
    }
