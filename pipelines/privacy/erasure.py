"""What an erasure did: the report, for a terminal."""

from __future__ import annotations

from dataclasses import dataclass

from data.counted import counted

__all__ = ["Erasure"]


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """What was removed, and what was not.

    Attributes:
        rows: table → rows removed.
        files: file under the home → records removed: rows, lines, entries, ids of a model.
        not_rewritten: a sentence on each thing that could not be searched or changed.
        trained_runs: runs whose training or validation window holds searches of the guest.
        versions: the registered versions that those runs made.
        retrained_at: when the weekly batch next trains models without the guest.
        server: the MLflow server whose artifacts are not under this home; else empty.
        ended: tables whose older versions are gone.
        outside: logs outside the home, as they were named, that brought rows of the guest.
        was_known: whether a table, a log or a model names the guest, or an erasure was under way.
    """

    rows: dict[str, int]
    files: dict[str, int]
    not_rewritten: tuple[str, ...]
    trained_runs: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    retrained_at: str = ""
    server: str = ""
    ended: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    was_known: bool = False

    @property
    def was_found(self) -> bool:
        """Whether there was any trace of the guest."""
        return self.was_known or bool(self.files)

    def lines(self, guest_id: str) -> list[str]:
        """The report, for a terminal; ``guest_id`` as the person typed it."""
        if not self.was_found:
            lines = [f"no trace of {guest_id} was found; nothing was removed"]
        else:
            lines = [
                f"{table}: {counted(rows, 'row')} removed" for table, rows in self.rows.items()
            ]
            lines += [f"{name}: {count:,} removed" for name, count in self.files.items()]
            lines += self._consequences()
        lines += [f"NOT DONE: {problem}" for problem in self.not_rewritten]
        if self.server:
            lines.append(f"files kept by the MLflow server {self.server} were not looked at")
        return lines

    def _consequences(self) -> list[str]:
        lines = []
        if self.ended:
            lines.append(
                f"older versions of {', '.join(self.ended)} are gone; earlier runs that read them "
                "cannot be repeated"
            )
        if self.outside:
            more = f" and {len(self.outside) - 5} more" if len(self.outside) > 5 else ""
            lines.append(
                "logs outside this home brought rows of the guest, and bring them back when they "
                f"are ingested again: {', '.join(self.outside[:5])}{more}"
            )
        if self.trained_runs:
            runs = ", ".join((*self.trained_runs, *self.versions))
            lines.append(
                f"models that learned from the guest among others: {runs}; the weekly batch "
                f"trains without the guest at {self.retrained_at}"
            )
        else:
            lines.append("no model was trained on the guest")
        return lines
