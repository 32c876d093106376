"""Programs for which only some of the installed packages are there."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import packages_distributions, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HIDE = """
import sys
from importlib.machinery import PathFinder

class WithoutOthers(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            return None
        return super().find_spec(name, path, target)

ABSENT = set(sys.argv.pop(1).split(","))
sys.meta_path = [WithoutOthers if finder is PathFinder else finder for finder in sys.meta_path]
"""
"""The start of a program: finds no module that its first argument names, and takes that away."""


def absent_without(given: Iterable[str]) -> set[str]:
    """Modules of all installed distributions but the given ones and what they require."""
    allowed = _required(given) | {"stayrank"}
    return {
        module
        for module, names in packages_distributions().items()
        if not {canonicalize_name(name) for name in names} & allowed
    }


def _required(names: Iterable[str]) -> set[str]:
    """The distributions, and all that they require where installed; canonical names."""
    closure: set[str] = set()
    waiting = set(names)
    installed = {canonicalize_name(n) for names in packages_distributions().values() for n in names}
    while waiting:
        name = waiting.pop()
        closure.add(name)
        wanted = (Requirement(line) for line in requires(name) or [])
        needed = {
            canonicalize_name(need.name)
            for need in wanted
            if need.marker is None or need.marker.evaluate({"extra": ""})
        }
        waiting |= (needed & installed) - closure
    return closure
