"""A guest in the files of a home that are neither the lake's nor a model's: found, taken out."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import polars as pl
import pyarrow as pa

from data.erasure.find_guest import rows_of_guest
from data.erasure.guest import Guest
from data.erasure.guest_records import GuestRecords, UnsearchableError
from data.erasure.log_readings import Readings
from data.erasure.named_in_text import NamedInText
from data.erasure.raw_log import find_in_log
from data.erasure.rewrite_log import write_without
from data.errors import DataError
from data.ingest.known_files import known_files, remember_as_known
from data.readers.files import identify
from data.readers.unpack import DamagedArchiveError
from pipelines.ingestion.claims import claim, deliveries, is_open_for_writing
from pipelines.privacy.atomic_rewrite import drafts_left_in, rewrite
from pipelines.privacy.columns import count_rows, write_without_rows
from pipelines.privacy.erase_databases import count_records, erase_records
from pipelines.privacy.home_files import HomeFile, files_of, text_of, write_text
from pipelines.privacy.text_records import without_html, without_json, without_lines
from pipelines.run_context import RunContext

__all__ = ["Files"]

_DAMAGED = (OSError, EOFError, ValueError, zlib.error, pa.ArrowException, DamagedArchiveError)


class Files:
    """The files of one home and one guest; looks through the folder each time it is asked."""

    def __init__(self, context: RunContext, readings: Readings, guest: Guest) -> None:
        self._context, self._readings, self._guest = context, readings, guest
        self._names = NamedInText(guest)
        self._root = context.home.root
        self._found: dict[tuple[Path, int, int, int], GuestRecords | UnsearchableError] = {}
        self._inbox = context.home.inside(context.settings.batch.inbox)
        # logs that lay in the home, outside the inbox, when they were ingested
        named = {Path(file.path).resolve() for file in known_files(context.lake).values()}
        self._logs = {path for path in named if path.is_relative_to(self._root.resolve())}

    def are_known(self) -> bool:
        """Whether a raw log, staged rows or another table of rows names the guest.

        A text alone only where it says that there is such a guest: an id that nobody has may be
        a listing, or a word of every log.
        """
        if any(self._is_staged(path) for path in self._staged()):
            return True
        return any(self._makes_known(file) for file in self._files())

    def unsearchable(self) -> Iterator[str]:
        """A sentence on each raw log of which nobody can say whether it names the guest."""
        for file in self._files():
            if file.kind == "raw":
                try:
                    self._records_in(file.path)
                except UnsearchableError as error:
                    yield self._sentence(file, f"could not be searched: {error}")

    def left(self) -> Iterator[str]:
        """A sentence on each file that still names the guest, or cannot be searched."""
        yield from self.unsearchable()
        for file in self._files():
            if self._names(self._name(file)):
                yield self._sentence(file, "its name names the guest; rename it or remove it")
            if self._count(file):
                yield self._sentence(file, "still names the guest")
            elif file.kind == "other" and self._is_named_in(file):
                yield self._sentence(
                    file, "names the guest, and is of no kind that can be changed; remove it"
                )

    def erase(self) -> tuple[dict[str, int], list[str]]:
        """Take the guest out of all but the databases.

        Returns file → records removed, and a sentence on each that could not be changed.
        """
        for draft in drafts_left_in(self._root):
            draft.unlink()
        erased: dict[str, int] = {}
        problems: list[str] = []
        for file in self._files():
            if file.kind in ("database", "model", "other"):
                continue
            try:
                count = self._erase_from(file)
            except UnsearchableError as error:
                problems.append(self._sentence(file, f"could not be searched: {error}"))
            except (DataError, *_DAMAGED) as error:
                if self._count(file):
                    problems.append(self._sentence(file, f"could not be changed: {error}"))
            else:
                if count:
                    erased[self._name(file)] = count
        return erased, problems

    def erase_from_databases(self) -> tuple[dict[str, int], list[str]]:
        """The same for the databases."""
        erased: dict[str, int] = {}
        problems: list[str] = []
        for file in self._files():
            if file.kind == "database":
                try:
                    if count_records(file.path, self._names):
                        count = erase_records(file.path, self._guest, self._names)
                        erased[self._name(file)] = count
                except DataError as error:
                    problems.append(str(error))
        return erased, problems

    def _files(self) -> Iterator[HomeFile]:
        return files_of(self._context.home, self._inbox, self._logs)

    def _count(self, file: HomeFile) -> int:
        """Records of the file that name the guest; 0 where it cannot be read."""
        try:
            if file.kind == "raw":
                return len(self._records_in(file.path))
            if file.kind == "columns":
                return count_rows(file.path, self._guest)
            if file.kind == "database":
                return count_records(file.path, self._names)
            if file.kind in ("json", "html", "lines"):
                return self._cleaned(file)[1]
        except (UnsearchableError, DataError, *_DAMAGED):
            return 0
        return 0

    def _makes_known(self, file: HomeFile) -> bool:
        if file.kind in ("raw", "columns"):
            return self._count(file) > 0
        if file.kind == "database":
            try:
                return count_records(file.path, self._names.introduces) > 0
            except DataError:
                return False
        if file.kind in ("json", "html", "lines"):
            text = text_of(file)
            return text is not None and self._names.introduces(text)
        return False

    def _erase_from(self, file: HomeFile) -> int:
        if file.kind == "raw":
            return self._erase_from_log(file)
        if file.kind == "columns":
            count = count_rows(file.path, self._guest)
            write = partial(write_without_rows, file.path, guest=self._guest)
            if count and not rewrite(
                file.path, write, check=lambda draft: not count_rows(draft, self._guest)
            ):
                raise DataError("a draft of it still names the guest")
            return count
        text, count = self._cleaned(file)
        if count:
            rewrite(file.path, partial(write_text, file, text), check=lambda _: True)
        return count

    def _erase_from_log(self, file: HomeFile) -> int:
        records = self._records_in(file.path)
        if not len(records):
            return 0
        if (path := self._claimed(file.path)) != file.path:
            records = self._records_in(path)
        if records.is_named_by_folder:
            self._remove_with_folders(path)
            return len(records)
        check = partial(self._is_without, records)
        if not rewrite(path, partial(write_without, records), check=check):
            raise DataError("a draft of it still names the guest")
        return len(records)

    def _records_in(self, path: Path) -> GuestRecords:
        """The guest's records in a raw log, which is read once as long as it does not change."""
        try:
            status = path.stat()
        except OSError as error:  # such as a delivery that its sender took back
            raise UnsearchableError(f"cannot be read: {error.strerror}") from error
        key = (path, status.st_ino, status.st_size, status.st_mtime_ns)
        if key not in self._found:
            try:
                self._found[key] = find_in_log(path, self._readings, self._guest)
            except UnsearchableError as error:
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, UnsearchableError):
            raise found
        return found

    def _claimed(self, path: Path) -> Path:
        """Where the log is when no sender can write to it any more; the next batch takes it there.

        Rewritten where it was delivered, it would take the place of a newer one of its name.
        """
        settle_s = self._context.settings.batch.settle_s
        is_delivered = path.parent.resolve() == self._inbox.resolve()
        if is_delivered and path in deliveries(path.parent, settle_s)[0]:
            return claim(path)
        if is_delivered or is_open_for_writing(path):
            raise DataError(
                "it is still being delivered; give the same command when it is complete"
            )
        return path

    def _is_without(self, records: GuestRecords, draft: Path) -> bool:
        if len(find_in_log(draft, self._readings, self._guest, first=records.reading)):
            return False
        # before it takes its place: under its new hash it would be ingested once more. Of a text
        # without a header all lines may have been the guest's.
        if records.file.sha256 and draft.stat().st_size:
            rewritten = identify(draft, records.file.partition)
            remember_as_known(self._context.lake, rewritten, original=records.file.source_id)
        return True

    def _remove_with_folders(self, path: Path) -> None:
        """Remove a log all of which is the guest's, and folders that named it, if empty then."""
        path.unlink()
        for folder in path.parents:
            if "=" not in folder.name or any(folder.iterdir()):
                break
            folder.rmdir()

    def _cleaned(self, file: HomeFile) -> tuple[str, int]:
        """The text without the records that name the guest, and how many those are."""
        text = text_of(file)
        if text is None or not self._names.may_name(text):
            return "", 0
        if file.kind == "html":
            return without_html(text, self._names)
        if file.kind == "json":
            try:
                return without_json(text, self._guest, self._names)
            except ValueError:
                pass  # half a file, or several objects one after the other: by its lines
        return without_lines(text, self._names)

    def _is_named_in(self, file: HomeFile) -> bool:
        text = text_of(file)
        return text is not None and self._names(text)

    def _staged(self) -> Iterator[Path]:
        return (self._root / "staging").rglob("*.parquet")

    def _is_staged(self, path: Path) -> bool:
        try:
            return bool(rows_of_guest(pl.read_parquet(path), self._guest).any())
        except (pl.exceptions.PolarsError, OSError):
            return False  # half-written by an ingest that was killed: recovery removes it

    def _name(self, file: HomeFile) -> str:
        return file.path.relative_to(self._root).as_posix()

    def _sentence(self, file: HomeFile, problem: str) -> str:
        return f"{self._name(file)}: {problem}"
