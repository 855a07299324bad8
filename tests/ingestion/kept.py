"""What a stream's pages leave behind, kept in memory by the rules of the batch writer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, cast

from ingestion.catalog import contract_of
from ingestion.records import check_record
from ingestion.source import Page, State, Stream
from settings import SourceSettings, load_pipeline
from settings.pipeline import Http
from warehouse.batch import LoadedFile, Reject
from warehouse.known import Known

Version = tuple[str, datetime, str]


def settings_of(source: str, **options: Any) -> SourceSettings:
    """The source's block of pipeline.yml, with these options and little patience."""
    return load_pipeline().source(source).model_copy(update={"options": options, "http": Http(attempts=3)})


@dataclass
class Kept:
    """Raw, the bookmark and the loaded files of one stream."""

    source: str
    stream: str
    state: State = field(default_factory=dict)
    rows: dict[Version, tuple[int, bytes, bool]] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    files: dict[str, LoadedFile] = field(default_factory=dict)
    pages: list[Page] = field(default_factory=list)
    watermark: datetime | None = None

    def run(self, stream: Stream, most_pages: int | None = None) -> list[Page]:
        """Read and keep; `most_pages` is when the run is killed."""
        seen = []
        for page in islice(stream.read(json.loads(json.dumps(self.state))), most_pages):
            self._keep(page, stream)
            seen.append(page)
        return seen

    def current(self, key: str) -> tuple[dict[str, Any], datetime, bool]:
        """The newest version (ties: the last that came) as (document, version, deleted)."""
        version = max((row for row in self.rows if row[0] == key), key=lambda row: (row[1], self.rows[row][0]))
        _, data, deleted = self.rows[version]
        return json.loads(data), version[1], deleted

    @property
    def keys(self) -> set[str]:
        return {key for key, _, _ in self.rows}

    @property
    def known(self) -> Known:
        """Itself, as far as streams of files ask."""
        return cast(Known, self)

    def has_content(self, sha256: str) -> bool:
        return sha256 in self.files

    def loaded_files(self, names: Iterable[str]) -> set[tuple[str, int, datetime]]:
        wanted = set(names)
        return {(it.name, it.size, it.modified_at) for it in self.files.values() if it.name in wanted}

    def _keep(self, page: Page, stream: Stream) -> None:
        contract = contract_of(self.source, self.source, self.stream)
        for record in page.records:
            row = check_record(record, stream, contract, page.extracted_at)
            if isinstance(row, Reject):
                self.rejects.append(row)
                continue
            version = (row.key, row.version, hashlib.sha256(row.data).hexdigest())
            self.rows.setdefault(version, (len(self.rows), row.data, row.deleted))
        for file in page.files:
            assert file.sha256 not in self.files, "ops.files would refuse it"
            self.files[file.sha256] = file
        self.state, self.watermark = page.state, page.watermark or self.watermark
        self.pages.append(page)
