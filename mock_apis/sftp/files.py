"""The email platform's export folder, as files built from the world.

    /events/events_YYYYMMDDTHH.csv[.gz]    what happened in one hour of the shop's clock, named by its UTC start
    /campaigns/campaigns_YYYYMMDD.csv      the campaigns created or changed on one day of the shop's clock
    NAME.done                              says that NAME is complete; about one file in eight has none
    NAME.part                              an upload that broke off and was done again under its own name

Only hours and days with something to tell have files. A finished file has the
same bytes and the same time at every listing and after every restart; the file
of today's campaigns is written anew while the day goes on.

The world stands still on the full hour, so no event is in the hour in progress
yet, and its file is different: it is there under its final name, with no marker,
and grows each time the folder is listed. What it holds is provisional (its ids
never come back, its last row is cut): whoever loads it before it is complete
loads what never happened.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from zlib import crc32
from zoneinfo import ZoneInfo

from mock_apis.world import email_model
from mock_apis.world.world import World

EVENT_COLUMNS = ("event_id", "event_type", "campaign_id", "email", "occurred_at", "url", "bounce_type")
CAMPAIGN_COLUMNS = (
    "campaign_id",
    "name",
    "subject",
    "status",
    "sent_at",
    "cost_amount",
    "cost_currency",
    "updated_at",
)


@dataclass(frozen=True, slots=True)
class VirtualFile:
    """`path` is absolute; `modified` is the time that a listing shows."""

    path: str
    modified: datetime
    content: bytes

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


def finished_files(world: World) -> list[VirtualFile]:
    """Every file that no longer changes, with its marker and leftovers."""
    files: list[VirtualFile] = []
    for file in (*_event_files(world), *_campaign_files(world)):
        files.append(file)
        draw = crc32(file.name.encode())
        if draw % 8 != 3:
            checksum = f"{sha256(file.content).hexdigest()}  {file.name}\n"
            files.append(VirtualFile(f"{file.path}.done", file.modified, checksum.encode()))
        if draw % 12 == 7:
            half = file.content[: len(file.content) // 2]
            files.append(VirtualFile(f"{file.path}.part", file.modified, half))
    return files


def growing_file(world: World, rows: int) -> VirtualFile | None:
    """The file of the hour in progress after `rows` rows; None before the first campaign."""
    sent = [campaign for campaign in world.campaigns.values() if campaign.sent_at <= world.now]
    if not sent:
        return None
    campaign = max(sent, key=lambda it: (it.sent_at, it.id))
    start = _hour(world.now, ZoneInfo(world.timezone))
    label = f"{start:%Y%m%dT%H}"
    provisional = (
        (f"provisional-{label}-{n}", "open", campaign.id, f"reader{n}@example.net", _iso(world.now), "", "")
        for n in range(1, rows + 1)
    )
    text = _csv(EVENT_COLUMNS, provisional)
    path = _event_path(label)
    # Cut within the last row, or before the end of the compressed stream.
    content = _compress(text)[:-9] if path.endswith(".gz") else text[:-5]
    return VirtualFile(path, world.now + timedelta(seconds=rows), content)


def _event_files(world: World) -> Iterator[VirtualFile]:
    zone = ZoneInfo(world.timezone)
    hours: dict[datetime, list[email_model.EmailEvent]] = defaultdict(list)
    for event in world.email_events:
        hours[_hour(event.occurred_at, zone)].append(event)
    for start, events in hours.items():
        path = _event_path(f"{start:%Y%m%dT%H}")
        text = _csv(EVENT_COLUMNS, (_event_row(event) for event in events))
        content = _compress(text) if path.endswith(".gz") else text
        yield VirtualFile(path, start + timedelta(hours=1), content)


def _event_path(label: str) -> str:
    plain = crc32(label.encode()) % 6 == 0
    return f"/events/events_{label}.csv{'' if plain else '.gz'}"


def _event_row(event: email_model.EmailEvent) -> tuple[str, ...]:
    return (
        event.id,
        event.type,
        event.campaign_id,
        event.email,
        _iso(event.occurred_at),
        event.url or "",
        event.bounce_type or "",
    )


def _campaign_files(world: World) -> Iterator[VirtualFile]:
    zone = ZoneInfo(world.timezone)
    days: dict[datetime, dict[str, email_model.Campaign]] = defaultdict(dict)
    for campaign in sorted(world.campaign_versions, key=lambda it: it.updated_at):
        local = campaign.updated_at.astimezone(zone)
        # The last version of the day replaces the earlier ones.
        days[local.replace(hour=0, minute=0, second=0, microsecond=0)][campaign.id] = campaign
    for day, campaigns in days.items():
        ended = min((day + timedelta(days=1)).astimezone(UTC), world.now)
        text = _csv(CAMPAIGN_COLUMNS, (_campaign_row(world, campaign) for campaign in campaigns.values()))
        yield VirtualFile(f"/campaigns/campaigns_{day:%Y%m%d}.csv", ended, text)


def _campaign_row(world: World, campaign: email_model.Campaign) -> tuple[str, ...]:
    return (
        campaign.id,
        campaign.name,
        _subject(campaign),
        campaign.status,
        _iso(campaign.sent_at),
        f"{campaign.cost // 100}.{campaign.cost % 100:02d}",
        world.currency,
        _iso(campaign.updated_at),
    )


def _subject(campaign: email_model.Campaign) -> str:
    """Subject lines as marketing writes them: commas, quotes, emoji, a second line here and there."""
    draw = crc32(campaign.id.encode())
    if draw % 3 == 0:
        return f'Für dich: {campaign.subject}, "nur heute" 🎁'
    if draw % 3 == 1:
        return f"{campaign.subject}\nJusqu'à dimanche, à bientôt"
    return campaign.subject


def _hour(moment: datetime, zone: ZoneInfo) -> datetime:
    """The start, in UTC, of the shop's hour around `moment`."""
    return moment.astimezone(zone).replace(minute=0, second=0, microsecond=0).astimezone(UTC)


def _csv(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def _compress(content: bytes) -> bytes:
    # No time in the header: the same rows are the same bytes.
    return gzip.compress(content, compresslevel=6, mtime=0)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
