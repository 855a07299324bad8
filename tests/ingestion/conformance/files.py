"""CSV files on an SFTP server or in a folder. What appears together is one file."""

from __future__ import annotations

import csv
import io
import json
import os
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import pytest

from ingestion import file_stream
from ingestion.files import FetchFailed
from ingestion.folder import Fetched
from ingestion.local_folder import LocalFolder
from mock_apis.faults import Fault as SftpFault
from settings import Pipeline
from tests.ingestion.conformance.adapter import Adapter, Document, Fault, Thing
from tests.ingestion.conformance.corpus import CELLS
from tests.ingestion.sftp_folder import PASSWORD, Folder, serving

CSV_HAS_NOT = {
    "test_a_required_field_that_is_not_as_it_was_is_named_and_the_others_go_on[retyped]": "every cell is text",
    "test_records_that_are_nothing_are_kept_apart_and_stop_nothing": "every row of a file has its header's columns",
}


class CsvAdapter(Adapter):
    """What all files share: `hole_in` is the column that takes any text."""

    hole_in: ClassVar[str]
    corpus = CELLS
    has_window = False
    exempt = CSV_HAS_NOT
    drift_breaks_the_file = True

    def __init__(self, patch: pytest.MonkeyPatch):
        super().__init__()
        self._patch, self._files = patch, 0

    @abstractmethod
    def put_file(self, name: str, content: bytes) -> None:
        """A whole file, now."""

    def pipeline(self, on_reject: str = "quarantine") -> Pipeline:
        self._patch.setattr(file_stream, "PAGE_ROWS", self.page)
        return super().pipeline(on_reject)

    def bytes_of(self, thing: Thing) -> bytes:
        """The row as an object of its cells; a hole is a cell as the file has it."""
        document = thing.spoil(self.document(thing))
        if thing.hole:
            [[document[self.hole_in]]] = csv.reader(io.StringIO(thing.hole.decode(), newline=""))
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()

    def shown(self, things: list[Thing]) -> None:
        """Things of the same columns share a file."""
        documents = [thing.spoil(self.document(thing)) for thing in things]
        for columns in dict.fromkeys(tuple(document) for document in documents):
            lines = [",".join(columns).encode()]
            for thing, document in zip(things, documents, strict=True):
                if tuple(document) == columns:
                    line = ",".join(str(value) for value in document.values()).encode()
                    lines.append(line.replace(b"<hole>", thing.hole) if thing.hole else line)
            self._files += 1
            self.put_file(f"f{self._files:05d}.csv", self.before_all + b"\n".join(lines) + b"\n")


class SftpAdapter(CsvAdapter):
    """On an SFTP server, each file with its marker."""

    prefix: ClassVar[str]
    address: ClassVar[str]
    remembers = (*Adapter.remembers, "folder")

    def __init__(self, patch: pytest.MonkeyPatch):
        super().__init__(patch)
        self.folder = Folder()
        self._serving = serving(self.folder, faults=self)
        server = self._serving.__enter__()
        patch.setenv(self.address, f"sftp://email@127.0.0.1:{server.port}/")
        patch.setenv(self.credential, PASSWORD)
        patch.setenv(f"{self.prefix}_SFTP_HOST_KEY", server.host_key)
        patch.delenv(f"{self.prefix}_SFTP_PRIVATE_KEY", raising=False)

    def put_file(self, name: str, content: bytes) -> None:
        self.folder.put(name, content, self.now)

    def take(self, _target: str, _path: str) -> SftpFault | None:
        """Asked by the server before it opens a file."""
        return SftpFault(target="sftp", kind="reset") if self.failing() else None

    def fail(self, kind: Fault, after: int = 0, times: int = 1) -> None:
        """A refused login is there from the start; a server that takes no more sessions hangs up."""
        if kind == "auth":
            self._patch.setenv(self.credential, "wrong")
        else:
            super().fail(kind, after, times)

    def heal(self) -> None:
        super().heal()
        self._patch.setenv(self.credential, PASSWORD)

    def cut_off(self, after: int) -> None:
        self.fail("reset", after, times=self.attempts)

    def restore(self, kept: dict[str, Any]) -> None:
        files = kept["folder"].files
        super().restore({name: value for name, value in kept.items() if name != "folder"})
        self.folder.files = dict(files)  # the server holds the folder itself

    def close(self) -> None:
        self._serving.__exit__(None, None, None)


class EmailAdapter(SftpAdapter):
    """The email platform's events."""

    name = "email"
    source, stream = "email", "events"
    prefix, address, credential = "EMAIL", "EMAIL_SFTP_URL", "EMAIL_SFTP_PASSWORD"
    required, hole_in = "campaign_id", "note"
    times = ("occurred_at",)
    options = {"settle_seconds": 0.01}  # noqa: RUF012 - it is the base's ClassVar

    def key(self, number: int) -> str:
        return f"e{number:07d}"

    def document(self, thing: Thing) -> Document:
        found = {"event_id": thing.key, "event_type": "open", "campaign_id": "c1", "email": "a@example.com"}
        when = f"{thing.changed:%Y-%m-%dT%H:%M:%SZ}"
        return {**found, "occurred_at": when, "url": thing.mark, "note": "<hole>" if thing.hole else ""}


def upload_options(folder: str) -> dict[str, Any]:
    columns = ["month", "variant_id", "unit_cost", "currency"]
    costs = {"folder": folder, "pattern": "f*.csv", "columns": columns, "key": columns[:2]}
    return {"settle_seconds": 0.01, "streams": {"product_costs": costs}}


class Costs:
    """The rows of the uploads' example, whose version is their file's time."""

    money = ({"unit_cost": "1500", "currency": "JPY"}, {"unit_cost": "1.234", "currency": "BHD"})

    def key(self, number: int) -> str:
        return f'["2026-03","{number}"]'

    def document(self, thing: Thing) -> Document:
        found = {"month": "2026-03", "variant_id": str(thing.number), "unit_cost": "1.5", "currency": "EUR"}
        return {**found, "sku": thing.mark, "supplier": "<hole>" if thing.hole else ""}


class UploadsAdapter(Costs, SftpAdapter):
    """What people drop on an SFTP server."""

    name = "uploads-sftp"
    source, type, stream = "uploads", "csv_upload", "product_costs"
    prefix, address, credential = "UPLOADS", "UPLOADS_FOLDER_URL", "UPLOADS_SFTP_PASSWORD"
    required, hole_in = "unit_cost", "supplier"
    options = upload_options("events")


class FolderAdapter(Costs, CsvAdapter):
    """What people drop in a folder; a request is the opening of a file."""

    name = "uploads-folder"
    source, type, stream = "uploads", "csv_upload", "product_costs"
    credential = "UPLOADS_FOLDER_URL"
    required, hole_in = "unit_cost", "supplier"
    options = upload_options("")
    exempt: ClassVar[Mapping[str, str]] = {
        **CSV_HAS_NOT,
        "test_a_refused_login_names_its_setting_and_changes_nothing": "a folder of this machine asks for no login",
        "test_what_passes_is_waited_for": "a file of this machine that cannot be read is left for the next run",
    }

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path):
        super().__init__(patch)
        self._folder = folder / "drop"
        self._folder.mkdir()
        patch.setenv("UPLOADS_FOLDER_URL", f"file://{self._folder}")
        fetch = LocalFolder.fetch

        def asked(place: LocalFolder, within: str, name: str, into: BinaryIO) -> Fetched:
            if self.failing():
                raise FetchFailed(f"{name}: it cannot be read")
            return fetch(place, within, name, into)

        patch.setattr(LocalFolder, "fetch", asked)

    def snapshot(self) -> dict[str, Any]:
        files = {path: (path.read_bytes(), path.stat().st_mtime) for path in self._folder.iterdir()}
        return {**super().snapshot(), "files": files}

    def restore(self, kept: dict[str, Any]) -> None:
        super().restore({name: value for name, value in kept.items() if name != "files"})
        for path in self._folder.iterdir():
            path.unlink()
        for path, (content, time) in kept["files"].items():
            path.write_bytes(content)
            os.utime(path, (time, time))

    def put_file(self, name: str, content: bytes) -> None:
        """Under another name until it is whole, as the source's docstring asks of people."""
        part = self._folder / f"{name}.part"
        part.write_bytes(content)
        os.utime(part, (self.now.timestamp(), self.now.timestamp()))
        part.rename(self._folder / name)
