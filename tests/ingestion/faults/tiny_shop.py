"""The pretend shop on two days, side by side: what a sync of the second day finds does not depend on when it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from pathlib import Path

import yaml

from mock_apis.faults import Fault, Faults
from mock_apis.sftp.files import finished_files
from mock_apis.sftp.uploads import upload_files
from mock_apis.world.world import World
from settings import load_pipeline
from tests.conftest import ROOT
from tests.ingestion.sftp_folder import PASSWORD, Folder, serving
from tests.mock_apis.serving import served

# A source joins by its name here, its servers and environment in `two_days`, and its seam in points.py.
SOURCES = ("shopify", "stripe", "email", "uploads")
ALWAYS = 1_000_000
SEED, TODAY = 7, date(2026, 3, 20)


@contextmanager
def two_days(pipeline: Path) -> Iterator[list[dict[str, str]]]:
    """The environments that lead to the first and to the second day; `pipeline` is written with little patience."""
    settings = yaml.safe_load((ROOT / "pipeline.yml").read_text())
    for source in ("email", "uploads"):
        settings["sources"][source].setdefault("options", {})["settle_seconds"] = 0.01
    pipeline.write_text(yaml.safe_dump(settings))
    with ExitStack() as open_servers:
        environments = []
        for days in (0, 1):
            world = World(SEED, "tiny", TODAY)
            world.advance(days) if days else None
            # One record in the middle of every page is broken: the quarantine must be equal too.
            broken = [
                Fault(target="shopify", kind="bad_record", match="query Orders", times=ALWAYS),
                Fault(target="stripe", kind="bad_record", match="/charges?", times=ALWAYS),
            ]
            web = open_servers.enter_context(served(world, faults=Faults(broken), shopify_bucket=ALWAYS))
            sftp = open_servers.enter_context(serving(newest_files(world)))
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
                }
            )
        yield environments


def newest_files(world: World) -> Folder:
    """The email platform's files of the shop's last days: enough for several pages, few enough to fetch often."""
    files = (*finished_files(world), *upload_files(world))
    since = world.now - timedelta(hours=30)
    whole = ("/campaigns", "/uploads")
    return Folder({file.path: file for file in files if file.folder in whole or file.modified >= since})


def streams() -> list[tuple[str, str]]:
    pipeline = load_pipeline()
    return [(source, stream) for source in SOURCES for stream in pipeline.source(source).streams]
