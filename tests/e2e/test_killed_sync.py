"""Rule 1 with real sources: a sync that is killed with -9 and run again leaves what an undisturbed one leaves."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from local.stack import Stack
from settings import load_pipeline
from warehouse.migrate import migrate

ROOT = Path(__file__).resolve().parents[2]
KILLS = 2  # for each source


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    home = tmp_path_factory.mktemp("killed")
    with Stack(home, size="small", durable=False, airflow=False) as stack:
        yield stack


def start(stack: Stack, url: str, source: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "ingestion", "sync", source]
    environment = {**stack.env, "WAREHOUSE_URL": url}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def run(stack: Stack, url: str, source: str) -> float:
    """A sync to its end; its seconds."""
    begun = time.monotonic()
    process = start(stack, url, source)
    _, errors = process.communicate(timeout=180)
    assert process.returncode == 0, errors.decode()
    return time.monotonic() - begun


def new_warehouse(stack: Stack, name: str) -> str:
    with psycopg.connect(stack.warehouse_url, autocommit=True) as connection:
        connection.execute(f"create database {name}".encode())
    url = stack.warehouse_url.replace("/warehouse", f"/{name}")
    migrate(url)
    return url


def kept(url: str) -> dict[str, Any]:
    """Everything that a sync leaves, but for the times and names of its runs."""
    found: dict[str, Any] = {}
    with psycopg.connect(make_conninfo(url)) as connection:
        for source, block in load_pipeline().enabled_sources.items():
            for stream in block.streams:
                query = f"""select record_key, record_version, content_hash, source_data::text, _deleted
                    from raw.{source}_{stream} order by 1, 2, 3"""
                found[f"{source}.{stream}"] = connection.execute(query.encode()).fetchall()
        for table, columns in {
            # The app's own clock is a database's and runs on, unlike the pretend shop's.
            "checkpoints": "source, stream, case when source <> 'app' then state::text end,"
            " case when source <> 'app' then watermark end, last_record_at",
            "quarantine": "source, stream, record, errors",
            "files": "source, stream, sha256, name, records",
        }.items():
            query = f"select {columns} from ops.{table} order by 1, 2, 3"
            found[table] = connection.execute(query.encode()).fetchall()
    return found


@pytest.mark.fault("Real syncs are killed at moments drawn by lot", "The next runs leave what undisturbed ones leave.")
def test_rule_1_killed_syncs_run_again_leave_what_undisturbed_ones_leave(stack: Stack) -> None:
    seed = int(os.environ.get("HEADWATER_TEST_SEED", str(random.SystemRandom().randrange(10**6))))
    print(f"the moments of the kills come from seed {seed} (HEADWATER_TEST_SEED)")
    dice = random.Random(seed)
    undisturbed, disturbed = new_warehouse(stack, "undisturbed"), new_warehouse(stack, "disturbed")
    for source in load_pipeline().enabled_sources:
        seconds = run(stack, undisturbed, source)
        for _ in range(KILLS):
            process = start(stack, disturbed, source)
            time.sleep(dice.uniform(0.2, 0.9) * seconds)
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=30)
        run(stack, disturbed, source)
    expected, found = kept(undisturbed), kept(disturbed)
    assert all(expected[name] for name in expected if name != "quarantine"), "the undisturbed run kept nothing"
    for name, rows in expected.items():
        assert found[name] == rows, name
    with psycopg.connect(disturbed) as connection:
        row = connection.execute("select count(*) from ops.runs where error like 'ended without a word%'").fetchone()
    assert row and row[0] > 0, "no kill fell within a run"
