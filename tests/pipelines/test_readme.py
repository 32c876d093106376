"""What the documents show works as it stands there: commands, paths and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import typer
from typer.core import TyperGroup

from pipelines.cli.commands import app

ROOT = Path(__file__).parents[2]
DECISIONS = ROOT / "docs" / "decisions"
FOLDERS = ("data", "features", "models", "pipelines", "notebooks", "tests", "docker", "benchmarks")
DOCUMENTS = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(ROOT / folder / "README.md" for folder in FOLDERS),
    *sorted((ROOT / "docs").rglob("*.md")),
)
README_LINES = 140

FENCED = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
COMMAND = re.compile(r"(?:^|\s|bin/)stayrank ([a-z][a-z-]*)(.*)")
# A file of ours, or a folder of ours with its slash; what a run makes (data/home) is not.
PATH = re.compile(
    rf"(?<![\w./-])(?:{'|'.join((*FOLDERS, 'docs', '.ci', '.github'))})/"
    r"(?!home)[\w./-]*(?:\.(?:py|md|toml|ipynb|ya?ml|sh|sql|css|html|js|svg|png)\b|/(?=[`\s|)]))"
)
# Names of earlier trees stand in the decision that renamed them.
EARLIER = {"0045-packages-by-capability.md": {"data/ingest/ingest.py", "pipelines/steps/"}}
MODULE = re.compile(r"\b(?:data|features|models|pipelines)(?:\.[a-z_]\w*)+(?:\.[A-Z]\w*)?")


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= README_LINES


def test_commands_and_options_in_the_documents_exist() -> None:
    wrong = []
    for document in DOCUMENTS:
        for command, rest in commands_named(document):
            known = options_of().get(command)
            unknown = set(re.findall(r"--[a-z-]+", rest)) - (known or set())
            if known is None or unknown:
                wrong.append(f"{document.relative_to(ROOT)}: stayrank {command} {unknown or ''}")
    assert wrong == []


def test_every_command_stands_in_the_page_of_commands() -> None:
    named = {c for c, _ in commands_named(ROOT / "docs" / "commands.md")}
    assert named == {*options_of()}


def test_commands_work_as_printed() -> None:
    # A program of .venv needs its path, or the line that puts it on the path comes first.
    bare = re.compile(r"^(?:stayrank|python|torchrun|prefect)\b", re.MULTILINE)
    wrong = []
    for document in DOCUMENTS:
        text = document.read_text()
        activated = text.find("source .venv/bin/activate")
        for block in FENCED.finditer(text):
            is_ready = 0 <= activated < block.start()
            if block[1] == "bash" and bare.search(block[2]) and not is_ready:
                wrong.append(f"{document.relative_to(ROOT)}: {block[2].splitlines()[0]}")
    assert wrong == []


def test_paths_in_the_documents_exist() -> None:
    named = [(document, path) for document in DOCUMENTS for path in paths_named(document)]
    missing = {
        f"{document.relative_to(ROOT)}: {path}"
        for document, path in named
        if not (ROOT / path).exists() and path not in EARLIER.get(document.name, ())
    }
    assert missing == set()
    assert len(named) > 300  # the pattern still finds them


def test_links_in_the_documents_lead_somewhere() -> None:
    broken = []
    for document in (*DOCUMENTS, ROOT / "CHANGELOG.md"):
        for link in LINK.findall(document.read_text()):
            name, _, anchor = link.partition("#")
            target = document.parent / name if name else document
            if not target.exists() or (anchor and anchor not in anchors(target)):
                broken.append(f"{document.relative_to(ROOT)}: {link}")
    assert broken == []


def test_modules_in_the_documents_exist() -> None:
    named = {
        (d.relative_to(ROOT), m) for d in DOCUMENTS for c in code(d) for m in MODULE.findall(c)
    }
    missing = [f"{document}: {name}" for document, name in named if not is_defined(name)]
    assert missing == []
    assert len(named) > 10


def test_functions_of_the_architecture_page_are_in_the_files_beside_them() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    walk = text[text.index("## What flows") : text.index("## Where to add what")]
    rows = [row for row in walk.splitlines() if row.startswith("|") and ".py" in row]
    missing = []
    for row in rows:
        files = re.findall(r"`([\w/]+\.py)`", row)
        source = "\n".join((ROOT / file).read_text() for file in files)
        functions = re.findall(r"`(\w+(?:\.\w+)?)`", row.rstrip("| ").rsplit("|", 1)[1])
        missing += [
            f"{name} in {files}"
            for function in functions
            for name in function.split(".")
            if not re.search(rf"^ *(?:def|class) {name}\b", source, re.MULTILINE)
        ]
    assert missing == []
    assert len(rows) > 20


def test_each_decision_has_its_status_and_stands_in_the_index() -> None:
    index = (DECISIONS / "README.md").read_text()
    status = re.compile(r"# (\d{4}) .+\n\n\*Status: (.+) · Date: \d{4}-\d\d-\d\d\*\n")
    pages = sorted(DECISIONS.glob("[0-9]*.md"))
    assert [page.name for page in pages if not status.match(page.read_text())] == []
    for page in pages:
        number, words = status.match(page.read_text()).groups()  # type: ignore[union-attr]
        title = page.read_text().split("\n", 1)[0].removeprefix(f"# {number} ")
        plain = re.sub(r"\[(\d{4})\]\([^)]*\)", r"\1", words)
        assert f"| [{number}]({page.name}) | {title} | {plain} |" in index


def test_a_decision_and_the_one_that_supersedes_or_extends_it_name_each_other() -> None:
    for page in DECISIONS.glob("[0-9]*.md"):
        for other in re.findall(r"\]\((\d{4}-[^)]+)\)", page.read_text().split("\n")[2]):
            assert page.name in (DECISIONS / other).read_text().split("\n")[2]


def test_glossary_is_in_order_of_the_alphabet() -> None:
    words = re.findall(
        r"^\| \*\*(.+?)\*\* \|", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE
    )
    assert len(words) > 60
    assert words == sorted(words, key=str.lower)


@cache
def options_of() -> dict[str, set[str]]:
    """Command → its options; of a group, such as ``show``, those of its commands together."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    options: dict[str, set[str]] = {}
    for name, command in group.commands.items():
        own = list(command.commands.values()) if isinstance(command, TyperGroup) else [command]
        parameters = (parameter for each in own for parameter in each.params)
        options[name] = {"--help"}.union(*(set(p.opts) | set(p.secondary_opts) for p in parameters))
    return options


def code(document: Path) -> list[str]:
    """What stands in back-ticks and in fences."""
    text = document.read_text()
    return [*INLINE.findall(FENCED.sub("", text)), *(body for _, body in FENCED.findall(text))]


def commands_named(document: Path) -> Iterator[tuple[str, str]]:
    """Command and the rest of its line, wherever code names one."""
    for line in (line for part in code(document) for line in part.splitlines()):
        if command := COMMAND.search(line):
            yield command[1], command[2]


def paths_named(document: Path) -> Iterator[str]:
    for part in code(document):
        yield from PATH.findall(f"{part} ")


@cache
def anchors(document: Path) -> frozenset[str]:
    """The headings as GitHub names them: lower case, words joined by ``-``."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return frozenset(heading.replace(" ", "-") for heading in plain)


def is_defined(dotted: str) -> bool:
    """Whether ``a.b.c`` is a package, a module, or what a module defines; nothing is imported."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        folder = ROOT.joinpath(*parts[:length])
        file = folder.with_suffix(".py") if folder.with_suffix(".py").is_file() else None
        if folder.is_dir():
            file = folder / "__init__.py"
        if file is not None:
            text = file.read_text()
            return all(re.search(rf"\b{name}\b", text) for name in parts[length:])
    return False
