"""Charts of the ranker: what rests on too few rows is hollow, or named and left out."""

from __future__ import annotations

import polars as pl

from pipelines.config.palette import MARKETS, MarketColours, model_style
from pipelines.reporting.charts.diagnostic_charts import calibration_curves, recall_curves


def calibration(market: str, *, rows: int, actual: float) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"market": market, "decile": decile, "predicted": actual, "actual": actual}
            | {"rows": rows, "stage": stage}
            for stage in ("click", "contact", "book")
            for decile in range(10)
        ]
    )


def test_deciles_with_too_few_outcomes_are_hollow() -> None:
    frame = pl.concat(
        [
            calibration("rio", rows=1_000, actual=0.05),  # fifty reached the stage
            calibration("sampa", rows=1_000, actual=0.002),  # two did
        ]
    )
    chart = calibration_curves(frame)
    assert chart is not None
    assert set(chart.tips) >= {"bins0x0", "bins0x1few"}
    assert not set(chart.tips) & {"bins0x0few", "bins0x1"}
    fills = {
        line.get_gid(): line.get_fillstyle()
        for line in chart.figure.axes[0].lines
        if line.get_gid() in chart.tips
    }
    assert fills == {"bins0x0": "full", "bins0x1few": "none"}
    assert chart.in_words[0].startswith("Rio, clicked, predicted and actual by tenths: 5.00% 5.00%")


def test_a_market_that_is_left_out_keeps_its_colour_to_itself() -> None:
    home = MarketColours.of(["rio", "sampa"])
    frame = pl.concat(
        [calibration("rio", rows=2, actual=0.5), calibration("sampa", rows=1_000, actual=0.05)]
    )
    chart = calibration_curves(frame, home)
    assert chart is not None
    assert "Too few rows to draw: Rio." in chart.note
    line = next(line for line in chart.figure.axes[0].lines if line.get_label() == "Sampa")
    assert line.get_color() == MARKETS[1]
    assert calibration_curves(calibration("rio", rows=2, actual=0.5)) is None


def test_a_model_has_its_colour_and_its_marker() -> None:
    rows = [
        {"model": model, "rank": rank, "decile": 1 + rank % 10}
        for model in ("popularity", "two_tower")
        for rank in range(1, 200)
    ]
    chart = recall_curves(pl.DataFrame(rows))
    assert chart is not None
    named = {line.get_label(): line for line in chart.figure.axes[0].lines}
    for model in ("popularity", "two_tower"):
        style = model_style(model)
        assert (named[model].get_color(), named[model].get_marker()) == (style.colour, style.marker)
