"""Who is measured: how each is started, where its rows are counted, and with which settings it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bench.charges import DAYS
from bench.environments import PINS, environment, version
from settings import HeadwaterError

RAW = "raw.stripe_charges"
DOOR = ("-m", "ingestion", "sync", "stripe", "charges", "--quiet")


class Place(NamedTuple):
    """What a run is given: the charges' address, an own database, a folder, and the file of rows for COPY."""

    address: str
    url: str
    folder: Path
    rows: Path


Commands = list[list[str]]


@dataclass(frozen=True)
class Contestant:
    """`prepare` gives the commands to measure and their environment; `table` is where the rows are then.

    `template`: the database that its own is a copy of. `install` makes its environments.
    """

    title: str
    told: str
    table: str
    prepare: Callable[[Place], tuple[Commands, dict[str, str]]]
    template: str | None = None
    environments: tuple[str, ...] = ()
    versions: tuple[str, ...] = field(default=())

    def install(self) -> None:
        for name in self.environments:
            environment(name)


def _env(place: Place, **more: str) -> dict[str, str]:
    """Little of the caller's: no setting of theirs may make a difference."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "SSL_CERT_FILE") if name in os.environ}
    return {**kept, "HOME": str(place.folder), "PYTHONUNBUFFERED": "1", **more}


def _headwater(place: Place) -> tuple[Commands, dict[str, str]]:
    return [[sys.executable, *DOOR]], _env(
        place, WAREHOUSE_URL=place.url, STRIPE_API_URL=place.address, STRIPE_API_KEY="any"
    )


def _copy(place: Place) -> tuple[Commands, dict[str, str]]:
    return [[sys.executable, "-m", "bench.copying", place.url, RAW, str(place.rows)]], _env(place)


def _dlt(mode: str) -> Callable[[Place], tuple[Commands, dict[str, str]]]:
    parallel = mode == "dicts"  # Arrow tables are not normalized: one file each for extraction

    def prepare(place: Place) -> tuple[Commands, dict[str, str]]:
        python, script = environment("dlt") / "python", PINS / "dlt_charges.py"
        settings = {
            "DLT_DATA_DIR": str(place.folder),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "RUNTIME__LOG_LEVEL": "ERROR",
            "DATA_WRITER__DISABLE_COMPRESSION": "true",
            "DATA_WRITER__BUFFER_MAX_ITEMS": "20000",
            "EXTRACT__DATA_WRITER__FILE_MAX_ITEMS": "10000" if parallel else "100000",  # a file is one worker's portion
            "NORMALIZE__WORKERS": "2" if parallel else "1",
            "LOAD__WORKERS": "2",
        }
        command = [str(python), str(script), place.address, place.url, str(place.folder), mode]
        return [command], _env(place, **settings)

    return prepare


def _singer(place: Place) -> tuple[Commands, dict[str, str]]:
    tap = [str(environment("tap-stripe") / "python"), str(PINS / "tap_stripe_here.py")]
    start = datetime.now(UTC) - timedelta(days=DAYS + 2)
    tap_config, target_config, catalog = (place.folder / f"{name}.json" for name in ("tap", "target", "catalog"))
    tap_config.write_text(
        json.dumps(
            {
                "start_date": start.strftime("%Y-%m-%dT00:00:00Z"),
                "account_id": "acct_bench",
                "client_secret": "any",
                "date_window_size": DAYS + 3,
                "event_date_window_size": 30,
            }
        )
    )
    database = urlsplit(place.url)
    target_config.write_text(
        json.dumps(
            {
                "host": database.hostname,
                "port": database.port,
                "user": database.username,
                "password": database.password,
                "dbname": database.path.lstrip("/"),
                "default_target_schema": "bench",
                "batch_size_rows": 20_000,
                "add_metadata_columns": False,
                "validate_records": False,
            }
        )
    )
    env = _env(place, STRIPE_API_URL=place.address)
    command = [*tap, "--config", str(tap_config)]
    done = subprocess.run([*command, "--discover"], env=env, capture_output=True, text=True)
    if done.returncode:
        raise HeadwaterError(f"tap-stripe --discover failed: {done.stderr.strip()[-1000:]}")
    streams = [each for each in json.loads(done.stdout)["streams"] if each["tap_stream_id"] == "charges"]
    for entry in streams[0]["metadata"]:
        entry["metadata"]["selected"] = True
    catalog.write_text(json.dumps({"streams": streams}))
    target = [str(environment("target-postgres") / "target-postgres"), "--config", str(target_config)]
    return [[*command, "--catalog", str(catalog)], target], env


CONTESTANTS: dict[str, Contestant] = {
    "copy": Contestant(
        "plain COPY",
        "psycopg 3, one binary COPY of the same rows, from a file, into an empty copy of Headwater's own table with its"
        " months and indexes; no HTTP, no JSON, one transaction.",
        RAW,
        _copy,
        template="template_copy",
    ),
    "headwater": Contestant(
        "Headwater",
        "`python -m ingestion sync stripe charges` with the settings of pipeline.yml: every record is held against its"
        " contract and hashed, and written with its bookmark by its key.",
        RAW,
        _headwater,
        template="template_warehouse",
    ),
    "dlt-arrow": Contestant(
        "dlt, Arrow",
        "pages cut with msgspec (not parsed) into Arrow tables of 5,000 rows (id, created, the charge as JSON), which"
        " dlt does not normalize; parquet files, loaded through ADBC's COPY into `json` by 2 workers; append; no key,"
        " no index, no check of the records. Tried and no faster: CSV, larger tables.",
        "bench.charges",
        _dlt("arrow"),
        environments=("dlt",),
        versions=(version("dlt", "dlt"), version("dlt", "pyarrow"), version("dlt", "adbc-driver-postgresql")),
    ),
    "dlt": Contestant(
        "dlt, dicts",
        "pages parsed with orjson and yielded whole; max_table_nesting=0 (nested fields as JSON, no child tables), CSV"
        " files loaded by COPY, no compression of files, buffers of 20,000, 2 workers to normalize and 2 to load;"
        " append; no key, no index. Tried with one worker and slower: INSERTs, parquet.",
        "bench.charges",
        _dlt("dicts"),
        environments=("dlt",),
        versions=(version("dlt", "dlt"),),
    ),
    "singer": Contestant(
        "tap-stripe, target-postgres",
        "singer-io's tap with one window of time over all charges, all fields selected, piped into PipelineWise's"
        " target (CSV by COPY, then an insert by primary key): 20,000 rows a batch, no metadata columns and no"
        " validation. Tried and slower: MeltanoLabs' target, with COPY.",
        "bench.charges",
        _singer,
        environments=("tap-stripe", "target-postgres"),
        versions=(
            version("tap-stripe", "tap-stripe"),
            version("target-postgres", "pipelinewise-target-postgres"),
        ),
    ),
}
