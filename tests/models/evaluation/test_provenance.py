"""The panel beside the scorecard, line by line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.evaluation import Honesty, Provenance


@pytest.fixture
def panel():
    return Honesty(
        provenance=Provenance(
            source="airbnb", is_simulated=True, tuned=("ranker",), seeds=5, label_maturity=0.834
        ),
        split="test",
        searches=1_200,
        impressions=30_000,
        guests=700,
        clicked=900,
        contacted=80,
        booked=40,
        searches_scored=38,
        left_out={
            "without a booking, from the booking metrics": 1_162,
            "with one result, from every ranking metric": 1,
            "without any action, from graded NDCG": 0,
        },
        segments_left_out=("position",),
        candidates="full ranking",
        intervals="95%",
        comparisons="paired",
        warnings=("only 38 searches",),
    )


def test_every_fact_has_its_line_in_reading_order(panel):
    assert panel.facts() == [
        ("Data", "airbnb (SIMULATED: not real guests)"),
        ("Split", "test: 1,200 searches, 30,000 impressions"),
        ("Outcomes", "900 clicked, 80 contacted, 40 booked"),
        ("Scored", "38 searches by the booking metrics"),
        ("Left out", "1,162 searches without a booking, from the booking metrics"),
        ("Left out", "1 search with one result, from every ranking metric"),
        ("Ranking", "full ranking"),
        ("Tuned", "ranker"),
        ("Seeds", "5 training seeds"),
        ("Intervals", "95%"),
        ("Comparisons", "paired"),
        ("Labels", "the log holds about 83% of the bookings that will come from this window"),
        ("No segments by", "position (column absent)"),
        ("Warning", "only 38 searches"),
    ]


def test_what_is_not_known_is_said(panel):
    facts = dict(replace(panel, provenance=Provenance(notes=("a note",))).facts())
    assert facts["Data"] == "not stated"
    assert facts["Tuned"] == "no model or baseline was tuned"
    assert facts["Seeds"].startswith("1 training seed: too few")
    assert facts["Labels"] == "maturity of the outcomes not estimated"
    assert facts["Note"] == "a note"


def test_lines_are_aligned_and_markdown_is_a_table(panel):
    assert panel.lines()[0] == "Data            airbnb (SIMULATED: not real guests)"
    table = panel.markdown().splitlines()
    assert table[:3] == ["| | |", "|---|---|", "| Data | airbnb (SIMULATED: not real guests) |"]
    assert len(table) == 2 + len(panel.facts())


def test_dictionary_holds_the_provenance_as_plain_values(panel):
    assert panel.to_dict()["provenance"] == {
        "source": "airbnb",
        "is_simulated": True,
        "tuned": ("ranker",),
        "seeds": 5,
        "label_maturity": 0.834,
        "worth_outcome": "book",
        "notes": (),
        "warnings": (),
    }
