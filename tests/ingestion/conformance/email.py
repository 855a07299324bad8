"""The email platform's events: CSV files on an SFTP server. What appears together is one file, with its marker."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from ingestion import file_stream
from mock_apis.faults import Fault as SftpFault
from settings import Pipeline
from tests.ingestion.conformance.adapter import Adapter, Document, Fault, Thing
from tests.ingestion.conformance.corpus import CELLS
from tests.ingestion.sftp_folder import PASSWORD, Folder, serving

COLUMNS = ("event_id", "event_type", "campaign_id", "email", "occurred_at", "url", "note")


class EmailAdapter(Adapter):
    name = "email"
    source, stream = "email", "events"
    credential = "EMAIL_SFTP_PASSWORD"
    required, text = "campaign_id", "note"
    corpus = CELLS
    remembers = (*Adapter.remembers, "folder")
    options = {"settle_seconds": 0.01}  # noqa: RUF012 - it is the base's ClassVar
    has_window = False
    drift_breaks_the_file = True

    def __init__(self, patch: pytest.MonkeyPatch):
        super().__init__()
        self._patch, self.folder = patch, Folder()
        self._serving = serving(self.folder, faults=self)
        server = self._serving.__enter__()
        patch.setenv("EMAIL_SFTP_URL", f"sftp://email@127.0.0.1:{server.port}/")
        patch.setenv("EMAIL_SFTP_PASSWORD", PASSWORD)
        patch.setenv("EMAIL_SFTP_HOST_KEY", server.host_key)
        patch.delenv("EMAIL_SFTP_PRIVATE_KEY", raising=False)

    def take(self, _target: str, _path: str) -> SftpFault | None:
        """Asked by the server before it opens a file."""
        return SftpFault(target="sftp", kind="reset") if self.failing() else None

    def fail(self, kind: Fault, after: int = 0, times: int = 1) -> None:
        """A refused login is there from the start; a server that takes no more sessions hangs up."""
        if kind == "auth":
            self._patch.setenv("EMAIL_SFTP_PASSWORD", "wrong")
        else:
            super().fail(kind, after, times)

    def heal(self) -> None:
        super().heal()
        self._patch.setenv("EMAIL_SFTP_PASSWORD", PASSWORD)

    def cut_off(self, after: int) -> None:
        self.fail("reset", after, times=self.attempts)

    def pipeline(self, on_reject: str = "quarantine") -> Pipeline:
        self._patch.setattr(file_stream, "PAGE_ROWS", self.page)
        return super().pipeline(on_reject)

    def restore(self, kept: dict[str, Any]) -> None:
        files = kept["folder"].files
        super().restore({name: value for name, value in kept.items() if name != "folder"})
        self.folder.files = dict(files)  # the server holds the folder itself

    def key(self, number: int) -> str:
        return f"e{number:07d}"

    def document(self, thing: Thing) -> Document:
        found = {"event_id": thing.key, "event_type": "open", "campaign_id": "c1", "email": "a@example.com"}
        when = f"{thing.changed:%Y-%m-%dT%H:%M:%SZ}"
        return {**found, "occurred_at": when, "url": thing.mark, "note": "<hole>" if thing.hole else ""}

    def bytes_of(self, thing: Thing) -> bytes:
        """The row as an object of its cells; a hole is a cell as the file has it."""
        document = thing.spoil(self.document(thing))
        if thing.hole:
            [[document["note"]]] = csv.reader(io.StringIO(thing.hole.decode(), newline=""))
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
            self.folder.put(f"f{len(self.folder.files):05d}.csv", self.before_all + b"\n".join(lines) + b"\n", self.now)

    def close(self) -> None:
        self._serving.__exit__(None, None, None)
