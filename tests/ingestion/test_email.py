"""The email streams: odd files on a real SFTP server, and the pretend shop's logs into a warehouse."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest

from ingestion import csv_files
from ingestion.files import BrokenFile
from ingestion.source import Context, Page
from ingestion.sources.email import Source
from ingestion.sync import sync
from mock_apis.faults import Fault, Faults
from mock_apis.sftp import SftpServer, new_host_key
from mock_apis.world.ref import WorldRef
from mock_apis.world.world import World
from settings import HeadwaterError, Pipeline, load_pipeline
from tests.ingestion.kept import Kept, settings_of
from tests.ingestion.sftp_folder import PASSWORD, T0, Folder, serving

HEADER = "event_id,event_type,campaign_id,email,occurred_at,url,bounce_type\n"
HOUR = timedelta(hours=1)


def rows(*ids: int, kind: str = "open") -> str:
    return HEADER + "".join(f"e{n},{kind},c1,a{n}@example.com,2026-03-01T10:00:00Z,,\n" for n in ids)


@pytest.fixture
def folder() -> Folder:
    return Folder()


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def server(folder: Folder, faults: Faults, monkeypatch: pytest.MonkeyPatch) -> Iterator[SftpServer]:
    with serving(folder, faults) as server:
        point_to(server, monkeypatch, PASSWORD)
        monkeypatch.setattr("ingestion.sftp.BACKOFF_SECONDS", 0.01)
        yield server


def point_to(server: SftpServer, monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    monkeypatch.setenv("EMAIL_SFTP_URL", f"sftp://email@127.0.0.1:{server.port}/")
    monkeypatch.setenv("EMAIL_SFTP_PASSWORD", password)
    monkeypatch.setenv("EMAIL_SFTP_HOST_KEY", server.host_key)
    monkeypatch.delenv("EMAIL_SFTP_PRIVATE_KEY", raising=False)


def run(kept: Kept, most_pages: int | None = None) -> list[Page]:
    settings = settings_of("email", settle_seconds=0.01)
    source = Source(Context("email", settings, kept.known))
    try:
        return kept.run(source.stream("events"), most_pages)
    finally:
        source.close()


@pytest.fixture
def kept() -> Kept:
    return Kept("email", "events")


# Which files are taken.


def test_a_row_is_kept_as_an_object_of_its_cells_in_their_order(server: SftpServer, folder: Folder, kept: Kept) -> None:
    header = "occurred_at,event_id,event_type,campaign_id,email,url\n"
    row = '2026-03-01T10:00:00Z,e1,click,c1,Zoë@example.com,"a,\n""b"""\n'
    folder.put("a.csv", b"\xef\xbb\xbf" + (header + row).encode())
    run(kept)
    ((_, data, _),) = kept.rows.values()
    assert data.decode() == (
        '{"occurred_at":"2026-03-01T10:00:00Z","event_id":"e1","event_type":"click","campaign_id":"c1",'
        '"email":"Zoë@example.com","url":"a,\\n\\"b\\""}'
    )


def test_only_complete_files_are_taken(server: SftpServer, folder: Folder, kept: Kept) -> None:
    folder.put("marked.csv.gz", rows(1))
    folder.put("still.csv", rows(2), done=False)
    folder.put("rewritten.csv", rows(3), T0)  # below it becomes newer than its marker
    folder.put("upload.csv.part", rows(5), done=False)
    listings = 0

    def grow() -> None:
        nonlocal listings
        listings += 1
        folder.put("growing.csv", rows(*range(10, 10 + listings)), T0 + 2 * HOUR, done=False)
        if listings < 3:
            folder.put("rewritten.csv", rows(3, *range(20, 20 + listings)), T0 + HOUR, done=False)

    folder.on_listing = grow
    run(kept)
    assert kept.keys == {"e1", "e2"}
    assert kept.watermark == T0, "what is still written holds it back"
    folder.on_listing = lambda: None
    run(kept)
    assert kept.keys == {"e1", "e2", "e3", "e10", "e11", "e20", "e21"}
    assert kept.watermark == T0 + 2 * HOUR


@pytest.mark.fault("A file grows while it is fetched", "It is left for the next run.")
def test_a_file_that_grows_while_it_is_fetched_is_left_for_the_next_run(
    server: SftpServer, folder: Folder, kept: Kept
) -> None:
    folder.put("a.csv", rows(1), done=False)
    folder.on_open = lambda _path: folder.put("a.csv", rows(1, 2), T0 + HOUR, done=False)
    run(kept)
    assert not kept.rows
    folder.on_open = lambda _path: None
    run(kept)
    assert kept.keys == {"e1", "e2"}


def test_a_file_is_its_content_not_its_name(server: SftpServer, folder: Folder, kept: Kept) -> None:
    folder.put("a.csv", rows(1, 2))
    folder.put("a_again.csv", rows(1, 2))
    run(kept)
    assert len(kept.files) == 1
    folder.take("a.csv")
    folder.put("renamed.csv", rows(1, 2), T0 + HOUR)
    run(kept)
    assert (len(kept.rows), len(kept.files)) == (2, 1)
    folder.opened.clear()
    assert run(kept) == []
    assert not folder.opened, "a file that is known by its listing is not fetched again"

    folder.put("renamed.csv", rows(1, 2, kind="click"), T0 + 2 * HOUR)  # sent again, corrected
    run(kept)
    assert len(kept.rows) == 4
    assert kept.current("e1")[0]["event_type"] == "click"


def test_rule_1_a_run_that_was_killed_after_any_page_leaves_what_an_undisturbed_one_leaves(
    server: SftpServer, folder: Folder, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion.file_stream.PAGE_ROWS", 10)
    for number in range(4):
        first = number * 100
        folder.put(f"f{number}.csv.gz", rows(*range(first, first + 3 + 11 * number)), T0 + number * HOUR)
    run(kept)
    pieces = Kept("email", "events")
    while seen := run(pieces, most_pages=1):
        assert len(seen) == 1 and all(len(page.records) <= 10 for page in seen)
        if len(pieces.pages) == 4:  # an older file comes while one is half in
            folder.put("late.csv", rows(900), T0 - HOUR)
    run(kept)
    assert pieces.rows.keys() == kept.rows.keys()
    assert pieces.files.keys() == kept.files.keys()
    assert sum(len(page.records) for page in pieces.pages) == len(kept.rows), "no row was given twice"


# Broken files.


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("f.csv", b"", "f.csv, line 1: the file is empty"),
        ("f.csv", HEADER + 'e1,open,c1,"a@b,2026-03-01T10:00:00Z,,\n', "f.csv, line 2: unexpected end of data"),
        ("f.csv", HEADER + 'e1,open,c1,"a"b,2026-03-01T10:00:00Z,,\n', "f.csv, line 2: ',' expected after"),
        ("f.csv", HEADER + 'e1,open,c1,a"b@c,2026-03-01T10:00:00Z,,\n', "f.csv, line 2: a quote"),
        ("f.csv", rows(1) + "e2,open,c1\n", "f.csv, line 3: 3 columns where the header has 7"),
        ("f.csv", rows(1).replace("occurred_at", "when"), "f.csv, line 1: the header has no column occurred_at"),
        ("f.csv", rows(1).replace("url", "email"), "f.csv, line 1: the header names a column twice"),
        ("f.csv", (HEADER + "e1,open,c1,ü@b").encode("latin-1"), "f.csv, after line 0: not UTF-8"),
        ("f.csv", HEADER + "e" * 1_000_001, "a line is longer"),
        ("f.csv.gz", gzip.compress(rows(*range(500)).encode())[:-40], "f.csv.gz, after line .*: the gzip is cut"),
        ("f.csv.gz", rows(1).encode(), "f.csv.gz, after line 0: the gzip is cut or damaged"),
    ],
)
def test_a_broken_file_is_named_with_its_place(name: str, content: bytes | str, reason: str) -> None:
    data = content.encode() if isinstance(content, str) else content
    with pytest.raises(BrokenFile, match=reason):
        csv_files.check(io.BytesIO(data), name, ("event_id", "occurred_at"))


@pytest.mark.fault(
    "A file is cut, badly quoted or not UTF-8",
    "Nothing of it is loaded, every other file is, and the run fails with its name and line.",
)
def test_nothing_of_a_broken_file_is_loaded_and_the_others_are(server: SftpServer, folder: Folder, kept: Kept) -> None:
    folder.put("a.csv", rows(1))
    folder.put("b.csv", rows(*range(10, 2000)) + "e9,open\n", T0 + HOUR)
    folder.put("c.csv", rows(2), T0 + 2 * HOUR)
    with pytest.raises(HeadwaterError, match=r"events/b.csv, line 1992: 2 columns") as caught:
        run(kept)
    assert "1 file(s)" in str(caught.value)
    assert kept.keys == {"e1", "e2"}
    assert kept.watermark == T0, "a broken file holds it back"
    folder.put("b.csv", rows(10), T0 + HOUR)
    run(kept)
    assert kept.keys == {"e1", "e2", "e10"}
    assert kept.watermark == T0 + 2 * HOUR


def test_a_row_that_breaks_the_contract_is_rejected_with_its_line(
    server: SftpServer, folder: Folder, kept: Kept
) -> None:
    folder.put("a.csv", rows(1) + "e2,opened,c1,nobody,yesterday,,\n" + rows(3).removeprefix(HEADER))
    run(kept)
    assert kept.keys == {"e1", "e3"}
    (reject,) = kept.rejects
    assert reject.origin == "events/a.csv, line 3"
    assert {error.split(":")[0] for error in reject.errors} == {"event_type", "email", "occurred_at"}


def test_rule_7_memory_does_not_grow_with_a_file(server: SftpServer, folder: Folder) -> None:
    peaks = []
    for count in (5_000, 25_000):
        folder.put("a.csv.gz", rows(*range(count)))
        source = Source(Context("email", settings_of("email", settle_seconds=0), Kept("email", "events").known))
        tracemalloc.start()
        try:
            given = sum(len(page.records) for page in source.stream("events").read({}))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
            source.close()
        assert given == count
    assert peaks[1] < peaks[0] * 1.5, f"five times the rows took {peaks[1] / peaks[0]:.1f} times the memory"


# The connection.


@pytest.mark.fault("An SFTP transfer breaks off or comes short", "It is tried again on a new connection.")
@pytest.mark.parametrize("kind", ["reset", "truncate", "500"])
def test_a_transfer_that_breaks_is_tried_again(
    server: SftpServer, folder: Folder, faults: Faults, kept: Kept, kind: Any
) -> None:
    folder.put("a.csv", rows(*range(3000)))
    folder.put("b.csv", rows(5000), T0 + HOUR)
    faults.add([Fault(target="sftp", kind=kind, times=2)])
    run(kept)
    assert len(kept.rows) == 3001


def test_a_file_that_always_comes_short_does_not_stop_the_others(
    server: SftpServer, folder: Folder, faults: Faults, kept: Kept
) -> None:
    for number in range(3):
        folder.put(f"f{number}.csv", rows(number), T0 + number * HOUR)
    faults.add([Fault(target="sftp", kind="truncate", match="f1.csv", times=99)])
    with pytest.raises(HeadwaterError, match=r"events/f1.csv: it ended after \d+ of \d+ bytes"):
        run(kept)
    assert kept.keys == {"e0", "e2"}


@pytest.mark.fault(
    "The SFTP server shows another host key",
    "Nothing is sent to it; the run fails and names the setting.",
)
def test_another_host_key_is_refused(server: SftpServer, kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    other = SftpServer(WorldRef(World(1, "tiny", date(2026, 3, 1))), host_key=new_host_key())
    monkeypatch.setenv("EMAIL_SFTP_HOST_KEY", other.host_key)
    with pytest.raises(HeadwaterError, match="another host key than EMAIL_SFTP_HOST_KEY"):
        run(kept)


def test_a_wrong_password_is_refused_at_once_and_named(
    server: SftpServer, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMAIL_SFTP_PASSWORD", "a-wrong-one")
    with pytest.raises(HeadwaterError, match=r"refused the login of email: .*EMAIL_SFTP_PASSWORD") as caught:
        run(kept)
    assert "a-wrong-one" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("EMAIL_SFTP_HOST_KEY", "", "ssh-keyscan -t ed25519 -p 2222 sftp.example.com"),
        ("EMAIL_SFTP_HOST_KEY", "ssh-ed25519 no-key", "no host key such as"),
        ("EMAIL_SFTP_URL", "https://example.com", "write it as sftp://user@host:22/folder"),
        ("EMAIL_SFTP_URL", "sftp://me:pw@example.com/", "holds a password"),
        ("EMAIL_SFTP_PASSWORD", "", "EMAIL_SFTP_PASSWORD is not set"),
        ("EMAIL_SFTP_PRIVATE_KEY", "/no/such/key", "EMAIL_SFTP_PRIVATE_KEY: the file cannot be read"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = {
        "EMAIL_SFTP_URL": "sftp://me@sftp.example.com:2222/out",
        "EMAIL_SFTP_PASSWORD": "x",
        "EMAIL_SFTP_PRIVATE_KEY": "",
        "EMAIL_SFTP_HOST_KEY": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ",
    }
    for each, content in {**good, name: value}.items():
        monkeypatch.setenv(each, content)
    with pytest.raises(HeadwaterError, match=message) as caught:
        Source(Context("email", settings_of("email")))
    assert "me:pw" not in str(caught.value)


# The pretend shop.


def pipeline() -> Pipeline:
    whole = load_pipeline()
    return whole.model_copy(update={"sources": {**whole.sources, "email": settings_of("email", settle_seconds=0.01)}})


@pytest.mark.parametrize("options", [{"settle_second": 2}, {"settle_seconds": "2s"}])
def test_an_option_that_cannot_be_used_is_named(server: SftpServer, options: dict[str, Any]) -> None:
    source = Source(Context("email", settings_of("email", **options)))
    with pytest.raises(HeadwaterError, match=r"sources.email.options.*settle_second"):
        source.stream("events")


def test_a_spoilt_row_and_a_drifted_header_do_not_keep_a_file_back(
    clean_warehouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(5, "tiny", date(2026, 10, 20))
    faults = Faults([Fault(target="sftp", kind="bad_record"), Fault(target="sftp", kind="drift")])
    server = SftpServer(WorldRef(world), password=PASSWORD, faults=faults)
    server.start()
    try:
        point_to(server, monkeypatch, PASSWORD)
        (result,) = sync("email", ["events"], pipeline=pipeline())
        assert (result.error, result.counts.rejected, result.new_fields) == (None, 1, ("device", "link"))
        (result,) = sync("email", ["events"], pipeline=pipeline())
        assert result.error is None, "the two files are there again, as they should be"
        assert events(clean_warehouse) == {(it.id, it.type, it.email) for it in world.email_events}
    finally:
        server.stop()


def test_the_warehouse_holds_what_the_shop_logged_and_then_only_the_change(
    clean_warehouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(5, "tiny", date(2026, 10, 20))
    server = SftpServer(WorldRef(world), password=PASSWORD)
    server.start()
    try:
        point_to(server, monkeypatch, PASSWORD)
        received = Counter[str]()
        for days in (0, 3):
            if days:
                world.advance(days)
            for result in sync("email", pipeline=pipeline()):
                assert (result.error, result.counts.rejected, result.new_fields) == (None, 0, ())
                received[result.stream] += result.counts.received
            assert events(clean_warehouse) == {(it.id, it.type, it.email) for it in world.email_events}
        assert received["events"] == len(world.email_events), "no event was loaded twice"
        assert sum(result.counts.received for result in sync("email", pipeline=pipeline())) == 0
        assert campaigns(clean_warehouse) == {
            (it.id, it.status, f"{it.cost / 100:.2f}") for it in world.campaigns.values() if it.updated_at <= world.now
        }
    finally:
        server.stop()


def events(url: str) -> set[tuple[str, str, str]]:
    query = "select record_key, source_data ->> 'event_type', source_data ->> 'email' from raw.email_events"
    with psycopg.connect(url) as connection:
        return {(key, kind, email) for key, kind, email in connection.execute(query)}


def campaigns(url: str) -> set[tuple[str, str, str]]:
    query = (
        "select distinct on (record_key) record_key, source_data ->> 'status', source_data ->> 'cost_amount'"
        " from raw.email_campaigns order by record_key, record_version desc"
    )
    with psycopg.connect(url) as connection:
        return {(key, status, cost) for key, status, cost in connection.execute(query)}
