"""The colours: legible on both papers, told apart by everybody, and the only ones there are."""

from __future__ import annotations

import ast
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.config.palette import (
    GUIDE,
    INK,
    MARKETS,
    MODELS,
    OTHER_MARKET,
    MarketColours,
    model_style,
)
from pipelines.training.model_names import MODEL_NAMES

ROOT = Path(__file__).parents[3]
CSS = ROOT / "pipelines/reporting/html/page.css"
MODEL_COLOURS = sorted({style.colour for style in MODELS.values()} - {INK})
LEAST_CONTRAST = 3.0  # of a drawing: WCAG 2.2, 1.4.11
LEAST_TEXT_CONTRAST = 4.5  # of words: WCAG 2.2, 1.4.3
# In CIE L*a*b*, where about 2 can just be seen side by side. Models differ in their markers too.
LEAST_DIFFERENCE = 12.0
# What each kind of colour blindness sees of linear red, green and blue (Machado, Oliveira &
# Fernandes 2009, severity 1).
SIGHTS = {
    "usual": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
# Linear sRGB to CIE XYZ.
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def linear(colour: str) -> NDArray[np.float64]:
    """Linear light of ``#rrggbb``; shape (3,), 0 to 1."""
    parts = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    light, dark = sorted((float(TO_XYZ[1] @ linear(c)) for c in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def difference(one: str, other: str, sight: str) -> float:
    labs = []
    for colour in (one, other):
        seen = np.clip(SIGHTS[sight] @ linear(colour), 0, 1)
        x, y, z = TO_XYZ @ seen / np.array([0.95047, 1.0, 1.08883])
        fx, fy, fz = (np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
        labs.append(np.array([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)]))
    return float(np.linalg.norm(labs[0] - labs[1]))


def of_css(name: str) -> tuple[str, str]:
    """A variable of the page on light and on dark paper."""
    found = re.search(rf"--{name}: light-dark\((#\w{{6}}), (#\w{{6}})\)", CSS.read_text())
    assert found is not None
    return found.group(1), found.group(2)


@pytest.mark.parametrize("colour", [*MARKETS, OTHER_MARKET, *MODEL_COLOURS, GUIDE])
def test_every_colour_is_seen_on_light_and_on_dark_paper(colour: str) -> None:
    assert min(contrast(colour, paper) for paper in of_css("paper")) >= LEAST_CONTRAST


@pytest.mark.parametrize("name", ["ink", "quiet", "good", "bad", "accent"])
def test_words_are_read_on_paper_and_on_cards_light_and_dark(name: str) -> None:
    for words, paper, card in zip(of_css(name), of_css("paper"), of_css("card"), strict=True):
        assert min(contrast(words, paper), contrast(words, card)) >= LEAST_TEXT_CONTRAST


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("colours", [MARKETS, MODEL_COLOURS], ids=["markets", "models"])
def test_no_two_markets_or_models_look_alike_to_anybody(colours: list[str], sight: str) -> None:
    alike = {
        pair: round(difference(*pair, sight), 1)
        for pair in combinations(colours, 2)
        if difference(*pair, sight) < LEAST_DIFFERENCE
    }
    assert alike == {}


def test_a_colour_stands_for_one_thing_and_a_model_is_known_without_it() -> None:
    assert not set(MARKETS) & set(MODEL_COLOURS)
    signs = [(style.marker, style.line) for style in MODELS.values()]
    assert len(set(signs)) == len(signs)
    assert set(MODEL_NAMES) <= set(MODELS)


def test_a_variant_looks_like_its_model_and_an_unknown_one_is_grey() -> None:
    assert model_style("two_tower_old") == model_style("two_tower")
    assert model_style("somebody_elses").colour == GUIDE


def test_a_market_keeps_its_colour_when_another_grows_or_is_missing() -> None:
    before = MarketColours.of(["rio", "sampa", "bahia"])
    after = MarketColours.of(["sampa", "bahia", "rio"])
    assert {m: before.colour(m) for m in before.markets} == {
        m: after.colour(m) for m in before.markets
    }
    assert len({before.colour(market) for market in before.markets}) == 3
    assert before.largest(["rio"], 4) == ["rio"]


def test_of_many_markets_the_largest_have_colours_of_their_own() -> None:
    many = MarketColours.of([f"city{number:02}" for number in range(20)])
    large = many.largest(many.markets, 4)
    assert len({many.colour(market) for market in large}) == 4
    assert many.colour("city19") == OTHER_MARKET


# What draws marks, and the argument that gives their colour.
DRAWING = {
    **dict.fromkeys(("plot", "bar", "barh", "stairs", "vlines", "hlines"), "color"),
    **dict.fromkeys(("axhline", "axvline", "axvspan", "fill_between"), "color"),
    "scatter": "c",
    "points": "colour",
}
A_COLOUR = re.compile(r"^(#[0-9a-fA-F]{3,8}|C\d|tab:\w+)$")
NO_COLOUR = "none"
# Read for its colours: this file says them, and a page's PNG is drawn on white.
PALETTE = ROOT / "pipelines/config/palette.py"


def drawing_files() -> list[Path]:
    files = [*ROOT.glob("pipelines/**/*.py"), *ROOT.glob("notebooks/*.py")]
    return [f for f in files if f != PALETTE and re.search(r"matplotlib|charts\.", f.read_text())]


def colours_of_its_own(source: str) -> list[str]:
    """Lines that give a colour themselves, or leave it to matplotlib."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and A_COLOUR.match(node.value)
        ):
            found.append(f"line {node.lineno}: {node.value}")
        if not isinstance(node, ast.Call):
            continue
        given = {word.arg: word.value for word in node.keywords if word.arg}
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        called = node.func.id if isinstance(node.func, ast.Name) else called
        for name in ("color", "c", "cmap", "edgecolors", "ecolor", "colors", DRAWING.get(called)):
            value = given.get(name or "")
            if isinstance(value, ast.Constant) and value.value != NO_COLOUR:
                found.append(f"line {node.lineno}: {name}={value.value!r}")
        if called in DRAWING and not {DRAWING[called], "color"} & set(given):
            found.append(f"line {node.lineno}: {called} without a colour")
    return found


def test_every_chart_takes_its_colours_from_the_palette() -> None:
    files = drawing_files()
    assert len(files) >= 8
    found = {str(f.relative_to(ROOT)): colours_of_its_own(f.read_text()) for f in files}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "line",
    [
        'axes.plot(x, y, color="#0072B2")',
        'axes.plot(x, y, color="red")',
        "axes.plot(x, y)",
        "axes.barh(x, y)",
        'axes.scatter(x, y, c=z, cmap="viridis")',
        'SERIES = ("#aa0000",)',
        'axes.axvline(0, color="C1")',
    ],
)
def test_a_colour_that_a_chart_brings_itself_is_found(line: str) -> None:
    assert len(colours_of_its_own(line)) >= 1
