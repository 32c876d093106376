"""How many rows of a file may be rejected: told, refused, and what counts as rejected."""

from __future__ import annotations

import pytest

from data.errors import LogError
from data.ingest import IngestOptions, RejectionLimits


def test_file_whose_every_row_is_rejected_by_the_rules_over_several_rows_is_refused(world, row):
    log = world.log(row(1), row(1, id_listing="L9", id_user="U9"))
    with pytest.raises(LogError) as refusal:
        world.ingest(log)
    assert "every one of its 2 rows was rejected, most often (2)" in str(refusal.value)
    assert "rows name two users" in str(refusal.value)
    assert "first in line 2" in str(refusal.value)
    assert world.is_untouched()


def test_one_of_two_files_that_is_rejected_whole_refuses_both(world, row):
    good = world.log(row(5), name="good.csv")
    bad = world.log(row(1), row(1, id_listing="L9", ts_search="2018-02-05 11:00"), name="bad.csv")
    with pytest.raises(LogError, match=r"bad\.csv: every one of its 2 rows.* name two times"):
        world.ingest(good, bad)
    assert world.is_untouched()


def test_message_names_column_value_and_line(world, row):
    log = world.log(row(1, label="показ"), row(2, label="клик"))
    with pytest.raises(LogError, match=r"\(first in line 2: label 'показ'\)"):
        world.ingest(log)


def _share(world, row, bad: int, of: int, **options):
    rows = [row(n, label="x" if n < bad else "impressed") for n in range(of)]
    limits = RejectionLimits(**options)
    return world.ingest(world.log(*rows), options=IngestOptions(limits=limits))


def test_share_above_the_first_limit_is_a_warning_with_reason_line_and_value(world, row):
    report = _share(world, row, 3, 40)
    (warning,) = report.files[0].warnings
    assert warning.startswith(
        "3 of its 40 rows (8%) were quarantined, most often (3) because label"
    )
    assert warning.endswith("(first in line 2: label 'x')")
    assert report.lines()[-1] == f"warning: {report.files[0].file}: {warning}"


def test_share_at_a_limit_is_below_it(world, row):
    assert _share(world, row, 2, 40).files[0].warnings == ()


def test_share_above_the_second_limit_is_refused_and_says_how_to_raise_it(world, row):
    with pytest.raises(LogError) as refusal:
        _share(world, row, 21, 40)
    message = str(refusal.value)
    assert "21 of its 40 rows (52%) would be quarantined" in message
    assert "(first in line 2: label 'x')" in message
    assert "STAYRANK_INGEST__REFUSE_SHARE" in message
    assert world.is_untouched()


def test_limits_are_settable(world, row):
    report = _share(world, row, 30, 40, refuse_share=0.75, warn_share=0.8)
    assert (report.rows_accepted, report.files[0].warnings) == (10, ())


def test_small_file_is_not_refused_for_a_share(world, row):
    assert _share(world, row, 3, 4).rows_accepted == 1


def test_log_with_every_row_twice_is_a_warning_and_loses_nothing(world, row):
    rows = [row(n) for n in range(20)]
    report = world.ingest(world.log(*rows, *rows, *rows))
    assert (report.rows_accepted, report.rows_quarantined) == (20, 40)
    (warning,) = report.files[0].warnings
    assert "40 of its 60 rows (67%) repeat a search and listing that came before" in warning
    assert "other values" not in warning


def test_events_of_one_result_as_rows_of_their_own_are_no_contradiction(world, row):
    booked = {"label": "booked", "ds_book": "2018-02-06"}
    rows = [row(n, **label) for n in range(20) for label in ({}, {"label": "click"}, booked)]
    report = world.ingest(world.log(*rows))
    assert report.rows_accepted == 20
    assert "other values" not in report.files[0].warnings[0]


def test_ids_that_were_rounded_are_refused_since_their_rows_differ(world, row):
    same = {"id_search": "1200000000000000", "id_user": "U1", "id_listing": "L1"}
    rows = [row(n, **same, listing_total_price=str(100 + n)) for n in range(30)]
    with pytest.raises(LogError, match=r"29 rows give a search and listing .* other values"):
        world.ingest(world.log(*rows))
    assert world.is_untouched()


def test_rows_that_an_earlier_file_brought_are_no_rejection(world, row):
    rows = [row(n) for n in range(20)]
    world.ingest(world.log(*rows, name="a.csv"))
    report = world.ingest(world.log(*rows, row(20), name="b.csv"))
    assert (report.rows_accepted, report.rows_quarantined) == (1, 20)
    assert "repeat a search and listing" in report.files[0].warnings[0]
