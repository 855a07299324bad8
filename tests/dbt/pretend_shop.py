"""The pretend shop with all its servers in this process, and the real syncs that bring it to raw."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
import yaml

from ingestion.sync import sync
from local.postgres import EmbeddedPostgres
from mock_apis.app_database import AppDatabase
from mock_apis.sftp import SftpServer
from mock_apis.world.ref import WorldRef
from mock_apis.world.world import World
from tests.conftest import ROOT
from tests.mock_apis.serving import served

# Those that a mart reads: one more joins by its name here and its address below.
SOURCES = ("shopify", "stripe", "email", "uploads", "app", "google_analytics")
TODAY = date(2026, 3, 24)  # the clocks go forward five days later, and a month ends
PATIENT = 1_000_000  # points of Shopify's bucket: nothing waits
PASSWORD = "demo"


@dataclass
class PretendShop:
    """`ref.world` is the shop as it stands; `load` brings what the warehouse has not seen of it to raw."""

    ref: WorldRef
    warehouse: str

    def load(self) -> None:
        # A window ends with a whole second: what the app has just written would else be the next run's.
        written = int(time.time())
        while int(time.time()) == written:
            time.sleep(0.02)
        for source in SOURCES:
            for result in sync(source, url=self.warehouse):
                assert result.error is None, f"{source}.{result.stream}: {result.error}"
                assert result.counts.rejected == 0, f"{source}.{result.stream}: {result.counts}"

    def next_day(self) -> None:
        self.ref.advance()
        self.load()


@contextmanager
def pretend_shop(postgres: EmbeddedPostgres, warehouse: str, home: Path) -> Iterator[PretendShop]:
    """A tiny shop with mishaps after its first 15 days, nothing loaded yet. HEADWATER_TEST_SEED makes another."""
    seed = int(os.environ.get("HEADWATER_TEST_SEED", "7"))
    print(f"the pretend shop's seed is {seed} (HEADWATER_TEST_SEED)")
    app = postgres.create_database(f"app_of_{warehouse.rpartition('/')[2]}"[:60])
    ref = WorldRef(World(seed, "tiny", TODAY, mishaps=True), AppDatabase(app, PASSWORD).write)
    AppDatabase(app, PASSWORD).write(ref.world)
    sftp = SftpServer(ref, password=PASSWORD)
    sftp.start()
    try:
        with served(ref, shopify_bucket=PATIENT) as web, pytest.MonkeyPatch.context() as patch:
            address, files = app.rpartition("@")[2], f"sftp://email@127.0.0.1:{sftp.port}/"
            for name, value in {
                "HEADWATER_PIPELINE": _impatient_pipeline(home),
                "SHOPIFY_API_URL": f"{web}/shopify",
                "SHOPIFY_ACCESS_TOKEN": "shpat_demo",
                "STRIPE_API_URL": f"{web}/stripe",
                "STRIPE_API_KEY": "sk_test_demo",
                "EMAIL_SFTP_URL": files,
                "EMAIL_SFTP_PASSWORD": PASSWORD,
                "EMAIL_SFTP_HOST_KEY": sftp.host_key,
                "UPLOADS_FOLDER_URL": f"{files}uploads",
                "UPLOADS_SFTP_PASSWORD": PASSWORD,
                "UPLOADS_SFTP_HOST_KEY": sftp.host_key,
                "APP_DATABASE_URL": f"postgresql://app_reader:{PASSWORD}@{address}",
                "GA_S3_URL": "s3://analytics/ga4",
                "GA_S3_ENDPOINT_URL": f"{web}/s3",
                "AWS_ACCESS_KEY_ID": "AKIADEMO",
                "AWS_SECRET_ACCESS_KEY": PASSWORD,
                "AWS_REGION": "eu-central-1",
            }.items():
                patch.setenv(name, value)
            yield PretendShop(ref, warehouse)
    finally:
        sftp.stop()


def _impatient_pipeline(home: Path) -> str:
    """The path of pipeline.yml as it is, but for the seconds that a file must stand still, and that a sweep waits."""
    settings = yaml.safe_load((ROOT / "pipeline.yml").read_text())
    for source in ("email", "uploads"):
        settings["sources"][source].setdefault("options", {})["settle_seconds"] = 0.01
    settings["sources"]["app"]["options"]["sweep"] = "1s"
    path = home / "pipeline.yml"
    path.write_text(yaml.safe_dump(settings))
    return str(path)
