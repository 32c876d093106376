"""Names from logs are text in the report, in its drawings too."""

from __future__ import annotations

import re
from importlib.resources import files
from xml.etree import ElementTree as ET

from pipelines.config.palette import INK
from pipelines.reporting.charts.axes import blank, points
from pipelines.reporting.charts.canvas import Chart

NAME = '<script>alert("1")</script> & $\\frac$ "onload=\'x\''


def test_a_name_in_a_drawing_is_text_and_no_formula() -> None:
    figure, (axes,) = blank()
    axes.set_title(NAME)
    points(axes, [0, 1], [0, 1], "dots0", colour=INK)
    drawn = Chart(name="drawing", title=NAME, figure=figure, tips={"dots0": [NAME, NAME]}).svg()
    assert "<script" not in drawn
    root = ET.fromstring(drawn)  # noqa: S314  # drawn here; raises where it is no XML
    assert root.attrib["aria-label"] == NAME
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert NAME in texts
    tips = [element.attrib["data-tip"] for element in root.iter() if "data-tip" in element.attrib]
    assert tips == [NAME, NAME]


def test_only_what_we_draw_and_write_ourselves_goes_into_the_page_unescaped() -> None:
    page = files("pipelines.reporting.html").joinpath("page.html").read_text()
    unescaped = re.findall(r"\{\{\s*([\w.]+)\s*\|\s*safe", page)
    assert set(unescaped) == {"drawing.svg", "drawing.narrow", "style", "script"}
    assert page.count("safe") == len(unescaped)
