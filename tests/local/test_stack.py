"""The stack without Airflow: it cleans up after a killed run, and refuses in a line what it cannot do."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from local.postgres import EmbeddedPostgres
from local.processes import members
from local.stack import Stack
from settings import HeadwaterError

ROOT = Path(__file__).resolve().parents[2]
OWNER = """
import sys, time
from pathlib import Path
from local.stack import Stack
stack = Stack(Path(sys.argv[1]), size="tiny", airflow=False, durable=False, leashed=False).start()
print(stack.mock_url, flush=True)
time.sleep(600)
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    EmbeddedPostgres(tmp_path / "postgres").remove()


def small_stack(home: Path) -> Stack:
    return Stack(home, size="tiny", airflow=False, durable=False)


def test_after_a_killed_run_the_next_one_starts_and_has_its_data(home: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(home)], stdout=subprocess.PIPE, cwd=ROOT)
    assert owner.stdout and owner.stdout.readline()
    left = {process.pid for process in members(home)}
    assert left
    owner.send_signal(signal.SIGKILL)
    owner.wait()

    with small_stack(home) as stack:
        assert not left & {process.pid for process in members(home)}
        assert stack.shop.answers()
        with psycopg.connect(stack.warehouse_url) as connection:
            connection.execute("select 1 from ops.migrations")
        with pytest.raises(HeadwaterError, match="Another run is using"):
            small_stack(home).start()
        assert stack.shop.answers()
    assert members(home) == []


def test_the_shop_remembers_its_day(home: Path) -> None:
    with small_stack(home) as stack:
        before = stack.shop.admin("GET", "clock").json()
        stack.advance(2)
        after = stack.shop.admin("GET", "clock").json()
        assert after["today"] > before["today"]
    with small_stack(home) as stack:
        assert stack.shop.admin("GET", "clock").json() == after


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "local", "start", "--home", str(tmp_path / "home"), "--port", port],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
    assert done.returncode == 1
    assert done.stderr.strip() == f"error: Port {port} of 127.0.0.1 is in use; choose another with --port."
    assert members(tmp_path / "home") == []


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "local", "demo", "--home", str(tmp_path / "file" / "home")],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1


def test_the_kafka_that_forgets_all_at_its_end_is_read_on_after_it(home: Path) -> None:
    """Its messages come again at the same offsets, so that none is read twice and none is left out."""

    def sync(stack: Stack) -> tuple[int, int]:
        command = [sys.executable, "-m", "ingestion", "sync", "stock", "--quiet"]
        subprocess.run(command, cwd=ROOT, env=stack.env, check=True)
        with psycopg.connect(stack.warehouse_url) as connection:
            row = connection.execute("select sum(received), sum(kept) from ops.loads").fetchone()
        assert row
        return row[0], row[1]

    with small_stack(home) as stack:
        first = sync(stack)
        assert first[0] == first[1] > 100
    with small_stack(home) as stack:
        assert sync(stack) == first
        stack.advance()
    with small_stack(home) as stack:
        then = sync(stack)
        assert then[0] == then[1] > first[0]


def test_webhooks_bring_a_day_before_any_sync_does(home: Path) -> None:
    with Stack(home, size="tiny", airflow=False, durable=False, webhooks=True) as stack:

        def ingestion(*arguments: str) -> str:
            command = [sys.executable, "-m", "ingestion", *arguments]
            return subprocess.run(command, cwd=ROOT, env=stack.env, capture_output=True, text=True, check=True).stdout

        for source in ("stripe", "shopify"):
            ingestion("sync", source, "--quiet")
        stack.advance()
        deadline = time.monotonic() + 90
        with psycopg.connect(stack.warehouse_url, autocommit=True) as connection:
            while (
                stack.shop.admin("GET", "webhooks").json()["pending"]
                or connection.execute(
                    "select 1 from ops.webhook_events where status = 'pending' union all"
                    " select 1 where not exists (select from ops.webhook_events) union all"
                    " select 1 where (select count(*) from ops.webhook_events)"
                    "  is distinct from (select sum(received) from ops.webhook_inboxes)"
                ).fetchone()
            ):
                assert time.monotonic() < deadline, (home / "logs" / "webhooks.log").read_text()
                time.sleep(0.1)
        for source in ("stripe", "shopify"):
            ingestion("sync", source, "--quiet")
        lines = [line for line in ingestion("status").splitlines() if "missed" in line]
        assert len(lines) >= 5 and all("0 pending, 0 missed" in line for line in lines)
