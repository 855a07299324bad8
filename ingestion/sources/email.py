"""The email platform's logs: CSV files (plain or gzip) in two folders of an SFTP server.

The platform promises: one file for each hour of events and for each day of campaigns, under its final name with a
marker once it is complete; a file that was wrong is sent again under its own name, and its rows are then new versions.
Nothing is ever deleted. An event never changes; a campaign comes again in the file of each day on which it changed.
Files may arrive late and in any order: order lies in the rows' own times.

What cannot be known: whether an hour without a file was quiet or is late, and, for a plain file without a marker, that
its writer had not merely paused (then its later, longer content is loaded as a file of its own).

Settings: EMAIL_SFTP_URL, EMAIL_SFTP_HOST_KEY, EMAIL_SFTP_PASSWORD or EMAIL_SFTP_PRIVATE_KEY; in pipeline.yml
`options: {settle_seconds: 2}`, how long a file without a marker must stand still.
"""

from __future__ import annotations

from typing import ClassVar

from ingestion.file_stream import CsvStream, settle_seconds
from ingestion.sftp import SftpFolder
from ingestion.source import BaseSource, Context, Stream


class Campaigns(CsvStream):
    name = "campaigns"
    folder = "campaigns"
    beside = ("events",)  # days go by without a campaign, hours hardly without an event
    key = "campaign_id"
    version_field = "updated_at"
    columns = ("campaign_id", "name", "status", "sent_at", "cost_amount", "cost_currency", "updated_at")


class Events(CsvStream):
    name = "events"
    folder = "events"
    key = "event_id"
    version_field = "occurred_at"
    columns = ("event_id", "event_type", "campaign_id", "email", "occurred_at")


class Source(BaseSource):
    streams: ClassVar[dict[str, type[Stream]]] = {"campaigns": Campaigns, "events": Events}

    def __init__(self, context: Context):
        super().__init__(context)
        self._server = SftpFolder(context.source.upper(), context.settings.http)

    def stream(self, name: str) -> Stream:
        found = {"campaigns": Campaigns, "events": Events}[name]
        return found(self.context, self._server, settle_seconds(self.context))

    def close(self) -> None:
        self._server.close()
