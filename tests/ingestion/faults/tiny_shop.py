"""The pretend shop on two days, side by side: what a sync of the second day finds does not depend on when it runs.

A source joins the killed syncs with
- its name in `SOURCES` (all its streams in pipeline.yml are taken);
- its servers for each day, and the settings that lead to them, in `two_days`; what it has must stand still, and a
  clock that it goes by too (`still_clock` for a Postgres);
- its seam, when it speaks to the outside by a library of its own: `SEAMS` in points.py;
- its page size, so that the tiny shop fills several pages, in `small_pages` of killed.py;
- what it keeps beside raw and ops' usual tables, if anything, in `Warehouse.kept` of killed.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from datetime import date, timedelta
from pathlib import Path
from unittest.mock import patch

import psycopg
import yaml

from local.postgres import EmbeddedPostgres
from mock_apis.app_database import AppDatabase
from mock_apis.faults import Fault, Faults
from mock_apis.kafka.topic import TOPIC, by_partition, message
from mock_apis.s3.exports import PREFIX, StoredObject, objects
from mock_apis.sftp.files import finished_files
from mock_apis.sftp.uploads import upload_files
from mock_apis.world.world import World
from settings import load_pipeline
from tests.conftest import ROOT
from tests.ingestion.kafka_cluster import Cluster
from tests.ingestion.sftp_folder import PASSWORD, Folder, serving
from tests.mock_apis.serving import served

SOURCES = ("shopify", "stripe", "email", "uploads", "app", "google_analytics", "stock")
DROP = "drop"  # the uploads once more, from a folder of this machine
ALWAYS = 1_000_000
SEED, TODAY = 7, date(2026, 3, 20)


@contextmanager
def two_days(pipeline: Path, server: EmbeddedPostgres) -> Iterator[list[dict[str, str]]]:
    """The environments that lead to the first and to the second day; `pipeline` is written with little patience."""
    apps = app_databases(server)
    settings = yaml.safe_load((ROOT / "pipeline.yml").read_text())
    settings["sources"][DROP] = deepcopy(settings["sources"]["uploads"])
    for source in ("email", "uploads", DROP):
        settings["sources"][source].setdefault("options", {})["settle_seconds"] = 0.01
    pipeline.write_text(yaml.safe_dump(settings))
    with ExitStack() as open_servers:
        open_servers.enter_context(patch("mock_apis.s3.router.objects", newest_exports))
        environments = []
        for days in (0, 1):
            world = world_after(days)
            # One record in the middle of every page is broken: the quarantine must be equal too.
            broken = [
                Fault(target="shopify", kind="bad_record", match="query Orders", times=ALWAYS),
                Fault(target="stripe", kind="bad_record", match="/charges?", times=ALWAYS),
            ]
            web = open_servers.enter_context(served(world, faults=Faults(broken), shopify_bucket=ALWAYS))
            sftp = open_servers.enter_context(serving(newest_files(world)))
            kafka = open_servers.enter_context(Cluster())
            send_newest_levels(kafka, world)
            environments.append(
                {
                    "HEADWATER_PIPELINE": str(pipeline),
                    "SHOPIFY_API_URL": f"{web}/shopify",
                    "SHOPIFY_ACCESS_TOKEN": "shpat_demo",
                    "STRIPE_API_URL": f"{web}/stripe",
                    "STRIPE_API_KEY": "sk_test_demo",
                    "EMAIL_SFTP_URL": f"sftp://email@127.0.0.1:{sftp.port}/",
                    "EMAIL_SFTP_PASSWORD": PASSWORD,
                    "EMAIL_SFTP_HOST_KEY": sftp.host_key,
                    "UPLOADS_FOLDER_URL": f"sftp://email@127.0.0.1:{sftp.port}/uploads",
                    "UPLOADS_SFTP_PASSWORD": PASSWORD,
                    "UPLOADS_SFTP_HOST_KEY": sftp.host_key,
                    "DROP_FOLDER_URL": dropped(pipeline.parent / f"drop-{days}", world).as_uri(),
                    "APP_DATABASE_URL": apps[days],
                    "GA_S3_URL": "s3://analytics/ga4",
                    "GA_S3_ENDPOINT_URL": f"{web}/s3",
                    "AWS_ACCESS_KEY_ID": "AKIADEMO",
                    "AWS_SECRET_ACCESS_KEY": "demo",
                    "AWS_REGION": "eu-central-1",
                    "STOCK_KAFKA_BOOTSTRAP_SERVERS": kafka.address,
                }
            )
        yield environments


def world_after(days: int) -> World:
    world = World(SEED, "tiny", TODAY)
    if days:
        world.advance(days)
    return world


def app_databases(server: EmbeddedPostgres) -> list[str]:
    """The app's database on the first day, and a copy of it in which a day has passed."""
    first = server.create_database("killed_app")
    AppDatabase(first).write(world_after(0))
    second = server.create_database("killed_app_next", template="killed_app")
    AppDatabase(second).write(world_after(1))
    still_clock(first, "1 hour")
    still_clock(second, "26 hours")  # the sweep is due then
    return [first, second]


def still_clock(url: str, ahead: str) -> None:
    """The database's clock stands at so long from now, for whoever asks it in its ordinary words."""
    with psycopg.connect(url, autocommit=True) as connection:
        now = connection.execute("select now() + %s::interval", (ahead,)).fetchone()
        assert now
        connection.execute(
            f"create schema clock; create function clock.clock_timestamp() returns timestamptz immutable language sql"
            f" as $$ select '{now[0].isoformat()}'::timestamptz $$;"
            f" alter database {connection.info.dbname} set search_path = clock, pg_catalog, public".encode()
        )


def newest_files(world: World) -> Folder:
    """The email platform's files of the shop's last days: enough for several pages, few enough to fetch often."""
    files = (*finished_files(world), *upload_files(world))
    since = world.now - timedelta(hours=30)
    whole = ("/campaigns", "/uploads")
    return Folder({file.path: file for file in files if file.folder in whole or file.modified >= since})


def newest_exports(world: World) -> list[StoredObject]:
    """The exports of the last days, a corrected one among them."""
    since = f"{PREFIX}events_{world.now - timedelta(days=6):%Y%m%d}"
    return [each for each in objects(world) if each.key >= since]


def dropped(folder: Path, world: World) -> Path:
    """A folder with what people have dropped until then."""
    folder.mkdir()
    for file in upload_files(world):
        path = folder / Path(file.path).name
        path.write_bytes(file.content)
        os.utime(path, (file.modified.timestamp(),) * 2)
    return folder


def send_newest_levels(cluster: Cluster, world: World) -> None:
    """The topic of both days begins with the same message, so that the second day's goes on where the first's ends."""
    first = world_after(0).stock_changes[-40].at
    for number, changes in by_partition(world).items():
        some = [message(change) for change in changes if change.at >= first]
        odd = [{"key": "spoilt", "value": f"{{spoilt in {number}".encode()}, {"key": "gone", "value": None}]
        some[1:1] = [each | {"timestamp": some[0]["timestamp"]} for each in odd if some]
        cluster.send(TOPIC, *({**each, "partition": number} for each in some))


def streams() -> list[tuple[str, str]]:
    pipeline = load_pipeline()
    every = [(source, stream) for source in SOURCES for stream in pipeline.source(source).streams]
    return [*every, *((DROP, stream) for stream in pipeline.source("uploads").streams)]
