"""CSV files that people drop: in a folder of this machine or on an SFTP server, streams declared in pipeline.yml.

    uploads:
      type: csv_upload
      options:
        settle_seconds: 2                 # how long a file without a marker NAME.done must stand still
        streams:
          product_costs:
            folder: costs                 # within the place that the address names; "" is the place itself
            pattern: "costs_*.csv"        # shell wildcards; a name that ends with .gz is gzip
            columns: [month, sku, cost]   # what a header must have, in any order; it may have more
            key: [month, sku]             # what names a row; several become a JSON array of their values
            version: file                 # or the column with the row's own time; `file`: the file's time of change
            delimiter: ";"
            encoding: detect              # utf-8, utf-16, windows-1252 or detect: see ingestion/csv_files.py

Promised: a file is loaded whole or not at all, once for each content (SHA-256); the other files go on when one is
broken, and the run fails with the name and the line. A corrected file under the same name is a newer version of its
rows; a file that went back to an earlier content is too. Files of no stream are warned of.

Not promised: a row that a corrected file no longer has is not deleted, for a file does not say what it leaves out.
A file may come late: its rows' versions decide, not when it came.
With `version: file`, order is the files' times of change, which some SFTP clients copy from the sender's machine; one
content in two names is loaded once. What cannot be known: a file that was dropped and taken away between two runs.

Settings of a source NAME: NAME_FOLDER_URL, `file:///path` or `sftp://user@host:22/folder`; for SFTP also
NAME_SFTP_HOST_KEY and NAME_SFTP_PASSWORD or NAME_SFTP_PRIVATE_KEY. Contracts: ingestion/contracts/csv_upload; where
two sources of uploads have streams of one name, ingestion/contracts/NAME goes before it.
"""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingestion.csv_files import Format
from ingestion.file_stream import SETTLE_SECONDS, CsvStream
from ingestion.folder import Place, is_csv
from ingestion.local_folder import LocalFolder
from ingestion.sftp import SftpFolder
from ingestion.source import BaseSource, Context, Stream
from settings import SettingsError, SourceSettings, setting

ENCODINGS = {"utf-8": "utf-8-sig", "utf-16": "utf-16", "windows-1252": "windows-1252", "detect": "detect"}
BY_FILE = "file"

Column = Annotated[str, Field(min_length=1)]


class UploadStream(BaseModel):
    """What pipeline.yml says of one stream; see the top."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: str = ""
    pattern: Annotated[str, Field(min_length=1)] = "*"
    columns: Annotated[list[Column], Field(min_length=1)]
    key: Annotated[list[Column], Field(min_length=1)]
    version: Column = BY_FILE
    delimiter: Literal[",", ";", "\t", "|"] = ","
    encoding: Literal["utf-8", "utf-16", "windows-1252", "detect"] = "utf-8"

    def takes(self, name: str) -> bool:
        """Whether a file of this name is the stream's; with no pattern, every .csv and .csv.gz is."""
        return fnmatchcase(name, self.pattern) if self.pattern != "*" else is_csv(name)


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    settle_seconds: Annotated[float, Field(ge=0, le=600)] = SETTLE_SECONDS
    streams: Annotated[dict[str, UploadStream], Field(min_length=1)]


class Upload(CsvStream):
    def __init__(self, context: Context, place: Place, name: str, options: Options):
        super().__init__(context, place, options.settle_seconds)
        declared = options.streams[name]
        self.name, self.folder = name, declared.folder.strip("/")
        self.key, self.version_field = ", ".join(declared.key), declared.version
        self.by_file_time = declared.version == BY_FILE
        own_time = () if self.by_file_time else (declared.version,)
        self.columns = list(dict.fromkeys([*declared.columns, *declared.key, *own_time]))
        self.written = Format(declared.delimiter, ENCODINGS[declared.encoding])
        self._declared = declared
        self._beside = [it for it in options.streams.values() if it.folder.strip("/") == self.folder]

    def takes(self, name: str) -> bool:
        return self._declared.takes(name)

    def is_stray(self, name: str) -> bool:
        return not any(stream.takes(name) for stream in self._beside)

    def key_of(self, record: dict[str, Any]) -> str:
        values = [str(record.get(column) or "") for column in self._declared.key]
        if not all(values):
            return ""  # a row that lacks a part of its name has none
        return values[0] if len(values) == 1 else msgspec.json.encode(values).decode()


class Source(BaseSource):
    streams: ClassVar[dict[str, type[Stream]]] = {}

    def __init__(self, context: Context):
        super().__init__(context)
        self._options = _options(context.settings, context.source)
        self._place = _place(context)

    @classmethod
    def stream_names(cls, settings: SourceSettings) -> Collection[str]:
        return _options(settings, "type csv_upload").streams

    def stream(self, name: str) -> Stream:
        return Upload(self.context, self._place, name, self._options)

    def close(self) -> None:
        self._place.close()


def _place(context: Context) -> Place:
    prefix = context.source.upper()
    url_name = f"{prefix}_FOLDER_URL"
    if setting(url_name).startswith("sftp:"):
        return SftpFolder(prefix, context.settings.http, url_name)
    return LocalFolder(url_name)


def _options(settings: SourceSettings, source: str) -> Options:
    try:
        return Options.model_validate(settings.options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"pipeline.yml, options of {source}: {where}: {first['msg']}.") from None
