"""Keys of TOML files: on which line they stand, and which ones there could be."""

from __future__ import annotations

from pydantic import BaseModel, Field

from data.toml_keys import key_lines, known_keys, line_of


class Rule(BaseModel):
    column: str | None = None
    scale: float = Field(default=1.0, gt=0)


class Outer(BaseModel):
    name: str
    rules: dict[str, Rule | str] = Field(default_factory=dict)
    listed: tuple[Rule, ...] = ()


TEXT = '''name = "own"
text = """
name = "no key: it stands inside a text"
"""
[rules.first]
column = "a"  # = is no key
[rules]
"second one" = { column = "b", colum = "c" }
dotted.column = "d"
'''


def test_each_key_stands_on_its_line() -> None:
    lines = key_lines(TEXT)
    assert lines[("name",)] == 1
    assert lines[("rules", "first", "column")] == 6
    assert lines[("rules", "second one", "colum")] == 8
    assert lines[("rules", "dotted", "column")] == 9


def test_a_key_that_is_not_found_has_the_line_of_what_is_around_it() -> None:
    lines = key_lines(TEXT)
    assert line_of(lines, ("rules", "first", "unheard")) == 5
    assert line_of(lines, ("elsewhere", "column")) is None


def test_known_keys_are_those_of_the_model_that_would_hold_the_key() -> None:
    assert known_keys(Outer, ("nam",)) == ["name", "rules", "listed"]
    assert known_keys(Outer, ("rules", "x", "colum")) == ["column", "scale"]
    assert known_keys(Outer, ("rules", "x", "Rule", "colum")) == ["column", "scale"]
    assert known_keys(Outer, ("listed", 0, "colum")) == ["column", "scale"]
