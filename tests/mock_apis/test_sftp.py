"""The email platform's export folder over SFTP, read by an ordinary client."""

from __future__ import annotations

import csv
import dataclasses
import gzip
import io
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256

import paramiko
import pytest

from mock_apis.sftp import SftpServer, new_host_key
from mock_apis.sftp.files import finished_files
from mock_apis.sftp.uploads import upload_files
from mock_apis.world.ref import WorldRef
from mock_apis.world.world import World

TODAY = date(2026, 10, 27)  # two days after the clocks went back


@dataclass
class OneFault:
    """Gives the same kind of fault to every file that is opened while `kind` is set."""

    kind: str | None = None
    field: str | None = None
    asked: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    def take(self, target: str, request: str, /) -> OneFault | None:
        self.asked.append((target, request))
        return self if self.kind else None


@pytest.fixture(scope="module")
def world() -> World:
    return World(5, "tiny", TODAY)


@pytest.fixture(scope="module")
def faults() -> OneFault:
    return OneFault()


@pytest.fixture(scope="module")
def server(world: World, faults: OneFault) -> Iterator[SftpServer]:
    server = SftpServer(WorldRef(world), password="secret", faults=faults)
    server.start()
    yield server
    server.stop()


@contextmanager
def connected(server: SftpServer, password: str = "secret", user: str = "email") -> Iterator[paramiko.SFTPClient]:
    """A client that trusts nothing but the key that the server states."""
    ssh = paramiko.SSHClient()
    kind, key = server.host_key.split()
    ssh.get_host_keys().add(f"[127.0.0.1]:{server.port}", kind, paramiko.Ed25519Key(data=b64decode(key)))
    try:
        ssh.connect("127.0.0.1", server.port, user, password, allow_agent=False, look_for_keys=False, timeout=10)
        yield ssh.open_sftp()
    finally:
        ssh.close()


@pytest.fixture
def client(server: SftpServer) -> Iterator[paramiko.SFTPClient]:
    with connected(server) as client:
        yield client


def read(client: paramiko.SFTPClient, path: str) -> bytes:
    with client.open(path, "rb") as file:
        file.prefetch()
        return file.read()


def rows_of(name: str, content: bytes) -> list[dict[str, str]]:
    text = gzip.decompress(content) if name.endswith(".gz") else content
    return list(csv.DictReader(io.StringIO(text.decode(), newline="")))


def complete(client: paramiko.SFTPClient, folder: str) -> list[paramiko.SFTPAttributes]:
    """The data files that are neither half-uploaded nor still growing."""
    once = {it.filename: it.st_size for it in client.listdir_attr(folder)}
    return [
        it
        for it in client.listdir_attr(folder)
        if it.filename.endswith((".csv", ".gz")) and once[it.filename] == it.st_size
    ]


def test_the_event_files_hold_each_event_once(world: World, client: paramiko.SFTPClient) -> None:
    names = [it.filename for it in complete(client, "/events")]
    assert {name.rpartition(".")[2] for name in names} == {"gz", "csv"}
    rows = [row for name in names for row in rows_of(name, read(client, f"/events/{name}"))]
    assert sorted(row["event_id"] for row in rows) == sorted(it.id for it in world.email_events)
    by_id = {row["event_id"]: row for row in rows}
    for event in world.email_events:
        row = by_id[event.id]
        assert datetime.fromisoformat(row["occurred_at"]) == event.occurred_at
        assert (row["event_type"], row["campaign_id"], row["email"], row["url"], row["bounce_type"]) == (
            event.type,
            event.campaign_id,
            event.email,
            event.url or "",
            event.bounce_type or "",
        )


def test_an_event_file_is_named_after_the_utc_hour_of_its_rows(client: paramiko.SFTPClient) -> None:
    for file in complete(client, "/events"):
        start = datetime.strptime(file.filename[7:18], "%Y%m%dT%H").replace(tzinfo=UTC)
        for row in rows_of(file.filename, read(client, f"/events/{file.filename}")):
            assert (datetime.fromisoformat(row["occurred_at"]) - start).total_seconds() // 3600 == 0
        assert file.st_mtime == start.timestamp() + 3600


def test_the_newest_row_of_each_campaign_is_how_it_stands(world: World, client: paramiko.SFTPClient) -> None:
    rows = [
        row
        for file in complete(client, "/campaigns")
        for row in rows_of(file.filename, read(client, f"/campaigns/{file.filename}"))
    ]
    assert len(rows) > len(world.campaigns), "costs are corrected on a later day"
    newest = {row["campaign_id"]: row for row in sorted(rows, key=lambda it: it["updated_at"])}
    assert set(newest) == set(world.campaigns)
    for campaign in world.campaigns.values():
        row = newest[campaign.id]
        assert (row["name"], row["status"]) == (campaign.name, campaign.status)
        assert (round(float(row["cost_amount"]) * 100), row["cost_currency"]) == (campaign.cost, "EUR")
    subjects = "".join(row["subject"] for row in rows)
    assert all(mark in subjects for mark in ('"', ",", "\n", "à")), "the texts must try a CSV reader"


def test_markers_fit_their_files_and_some_files_have_none(client: paramiko.SFTPClient) -> None:
    names = set(client.listdir("/events"))
    finished = {it.filename for it in complete(client, "/events")}
    marked = {name for name in finished if f"{name}.done" in names}
    assert {name.removesuffix(".done") for name in names if name.endswith(".done")} == marked
    assert len(finished) / 2 < len(marked) < len(finished)
    assert any(name.endswith(".part") for name in names)
    name = min(marked)
    checksum = read(client, f"/events/{name}.done").decode().split()
    assert checksum == [sha256(read(client, f"/events/{name}")).hexdigest(), name]


def test_the_hour_in_progress_grows_at_each_listing_and_is_cut(world: World, client: paramiko.SFTPClient) -> None:
    first, second = ({it.filename: it for it in client.listdir_attr("/events")} for _ in range(2))
    growing = [name for name in first if first[name].st_mtime != second[name].st_mtime]
    label = f"{world.now:%Y%m%dT%H}"
    assert [name.split(".")[0] for name in growing] == [f"events_{label}"]
    name = growing[0]
    assert f"{name}.done" not in second
    assert first[name].st_size < second[name].st_size or name.endswith(".gz")
    content = read(client, f"/events/{name}")
    if name.endswith(".gz"):
        with pytest.raises(EOFError):
            gzip.decompress(content)
    else:
        assert not content.endswith(b"\n")


def test_the_same_world_gives_the_same_bytes_and_a_later_day_leaves_the_old_ones_alone() -> None:
    world = World(5, "tiny", TODAY)
    first = {file.path: file for file in finished_files(world)}
    assert first == {file.path: file for file in finished_files(World(5, "tiny", TODAY))}
    world.advance(1)
    later = {file.path: file for file in finished_files(world)}
    today = f"/campaigns/campaigns_{TODAY:%Y%m%d}"  # written anew while its day goes on
    old = {path for path in first if not path.startswith(today)}
    assert {path for path in old if later.get(path) != first[path]} == set()
    assert len(later) > len(first)


def test_nobody_writes_and_only_the_password_opens(server: SftpServer, client: paramiko.SFTPClient) -> None:
    name = complete(client, "/events")[0].filename
    with pytest.raises(PermissionError):
        client.open(f"/events/{name}", "w")
    with pytest.raises(OSError, match="unsupported"):
        client.remove(f"/events/{name}")
    with pytest.raises(FileNotFoundError):
        client.open("/../etc/passwd")
    for user, password in (("email", "wrong"), ("other", "secret")):
        with pytest.raises(paramiko.AuthenticationException):
            with connected(server, password, user):
                pass


def test_the_faults_that_a_file_can_suffer(client: paramiko.SFTPClient, server: SftpServer, faults: OneFault) -> None:
    file = max(complete(client, "/events"), key=lambda it: it.st_size or 0)
    path = f"/events/{file.filename}"
    good = rows_of(file.filename, read(client, path))
    try:
        faults.kind = "truncate"
        assert len(read(client, path)) == (file.st_size or 0) // 2
        faults.kind = "500"
        with pytest.raises(OSError, match="Failure"):
            client.open(path)
        faults.kind = "bad_record"
        bad = rows_of(file.filename, read(client, path))
        different = [(a, b) for a, b in zip(good, bad, strict=True) if a != b]
        assert [b["occurred_at"] for _, b in different] == ["yesterday evening"]
        faults.field = "email"
        bad = rows_of(file.filename, read(client, path))
        assert [b["email"] for a, b in zip(good, bad, strict=True) if a != b] == [""]
        faults.field = None
        faults.kind = "drift"
        drifted = rows_of(file.filename, read(client, path))
        assert [row["link"] for row in drifted] == [row["url"] for row in good]
        assert {row["device"] for row in drifted} == {"mobile"} and "url" not in drifted[0]
        faults.kind = "reset"
        with pytest.raises((EOFError, OSError, paramiko.SSHException)):
            read(client, path)
    finally:
        faults.kind = faults.field = None
    assert ("sftp", path) in faults.asked
    with connected(server) as again:
        assert rows_of(file.filename, read(again, path)) == good


def test_stop_ends_every_thread_and_the_key_can_be_kept(world: World) -> None:
    before = set(threading.enumerate())
    key = new_host_key()
    first = SftpServer(WorldRef(world), password="secret", host_key=key)
    first.start()
    with connected(first) as client:
        client.listdir("/")
        ours = client.get_channel().get_transport()
        first.stop()
        ours.join(10)  # the client's own thread, which sees the connection end
    assert {thread for thread in threading.enumerate() if thread.is_alive()} <= before
    second = SftpServer(WorldRef(world), password="secret", host_key=key)
    assert second.host_key == first.host_key


def test_the_analysts_files_are_those_of_a_spreadsheet_and_never_change(
    world: World, client: paramiko.SFTPClient
) -> None:
    names = client.listdir("/uploads")
    assert names == ["product_costs_2026-10.csv"]
    content = read(client, f"/uploads/{names[0]}")
    rows = list(csv.DictReader(io.StringIO(content.decode("windows-1252"), newline=""), delimiter=";"))
    assert {row["supplier"] for row in rows} >= {"Nord & Süd", 'Atelier "K"'}
    assert len({row["variant_id"] for row in rows}) == len(rows)
    later = World(5, "tiny", TODAY)
    later.advance(8)
    then = {file.path: file for file in upload_files(later)}
    assert len(then) == 2
    assert then[f"/uploads/{names[0]}"].content == content
