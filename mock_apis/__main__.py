"""The door of the pretend shop: `python -m mock_apis serve | truth | advance`."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from pydantic import ValidationError

from mock_apis import faults as fault_list
from mock_apis import server
from mock_apis import state as shop_state
from mock_apis.app_database import AppDatabase
from mock_apis.kafka import StockTopic
from mock_apis.shopify.router import API_VERSION, DEFAULT_BUCKET, DEFAULT_RESTORE
from mock_apis.state import MockError, ShopState
from mock_apis.truth import truth as truth_of
from mock_apis.webhooks import Target

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


class Size(StrEnum):
    tiny = "tiny"
    small = "small"
    large = "large"


Seed = Annotated[int, typer.Option(help="The same seed gives the same shop.")]
HowBig = Annotated[Size, typer.Option("--size", help="tiny: 15 days of 8 orders; small: 60 days of 40; large: more.")]
Today = Annotated[str | None, typer.Option(help="The day on which the shop begins, YYYY-MM-DD (today).")]
Zone = Annotated[str, typer.Option("--timezone", help="The shop's time zone.")]
StateFile = Annotated[
    Path | None, typer.Option("--state", help="Remember the shop here; if the file exists, it wins over the options.")
]
Url = Annotated[str | None, typer.Option(help="A shop that is being served: http://127.0.0.1:8090.")]


def _state(file: Path | None, seed: int, size: Size, today: str | None, timezone: str) -> ShopState:
    found = shop_state.load(file) if file else None
    if found:
        return found
    try:
        day = date.fromisoformat(today) if today else datetime.now(UTC).date()
    except ValueError as error:
        raise MockError(f"--today {today!r} is no day: write it as YYYY-MM-DD.") from error
    try:
        state = ShopState(seed=seed, size=size.value, today=day, timezone=timezone)
    except ValidationError as error:
        raise MockError(f"--timezone {timezone!r} is no time zone: write one like Europe/Berlin.") from error
    # Without --today the shop begins on the day that it is there.
    return state if today else state.model_copy(update={"today": datetime.now(ZoneInfo(timezone)).date()})


def _targets(**urls: str | None) -> dict[str, Target]:
    """Where webhooks go; none by default."""
    targets = {}
    for sender, url in urls.items():
        if not url:
            continue
        name = f"MOCK_{sender.upper()}_WEBHOOK_SECRET"
        if not url.startswith(("http://", "https://")):
            raise MockError(f"--{sender}-webhook-url {url!r} is no web address: write it as http://host:port/path.")
        if not (secret := os.environ.get(name, "")):
            raise MockError(f"--{sender}-webhook-url needs {name}: the secret that the receiver knows too.")
        targets[sender] = Target(url, secret)
    return targets


def _call(url: str, path: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url.rstrip('/')}/_admin/{path}", data, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=120) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise MockError(f"{url} refused: {error.code} {error.read(300).decode(errors='replace')}") from error
    except (OSError, ValueError) as error:
        raise MockError(f"No shop answers at {url} ({error}). Is `python -m mock_apis serve` running?") from error


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="HTTP port; 0 takes a free one.")] = 8090,
    sftp_port: Annotated[int, typer.Option(min=0, max=65535, help="SFTP port; 0 takes a free one.")] = 8022,
    seed: Seed = 1,
    size: HowBig = Size.small,
    today: Today = None,
    timezone: Zone = "Europe/Berlin",
    state: StateFile = None,
    faults: Annotated[
        Path | None, typer.Option(help='Faults to begin with, as JSON: [{"target": "shopify", "kind": "500"}].')
    ] = None,
    shopify_token: Annotated[
        str | None, typer.Option(envvar="MOCK_SHOPIFY_TOKEN", help="Instead of shpat_demo.")
    ] = None,
    shopify_bucket: Annotated[
        int, typer.Option(min=1, help="Points in the bucket; a standard shop has 2000.")
    ] = DEFAULT_BUCKET,
    shopify_restore: Annotated[
        int, typer.Option(min=1, help="Points back a second; a standard shop has 100.")
    ] = DEFAULT_RESTORE,
    live: Annotated[
        bool, typer.Option("--live", help="A day passes in the shop with each real day, at one o'clock shop time.")
    ] = False,
    app_database: Annotated[
        str | None,
        typer.Option(envvar="MOCK_APP_DATABASE_URL", help="A Postgres for the tables of the shop's own app."),
    ] = None,
    app_reader_password: Annotated[
        str | None, typer.Option(envvar="MOCK_APP_READER_PASSWORD", help="Of the login app_reader, which is made then.")
    ] = None,
    kafka: Annotated[
        str | None,
        typer.Option(envvar="MOCK_KAFKA", help="Where the stock is told: a Kafka (host:port), or `own` (nowhere)."),
    ] = None,
    stripe_webhook_url: Annotated[
        str | None,
        typer.Option(
            envvar="MOCK_STRIPE_WEBHOOK_URL", help="Where events go, signed with MOCK_STRIPE_WEBHOOK_SECRET (nowhere)."
        ),
    ] = None,
    shopify_webhook_url: Annotated[
        str | None,
        typer.Option(
            envvar="MOCK_SHOPIFY_WEBHOOK_URL", help="As for Stripe, signed with MOCK_SHOPIFY_WEBHOOK_SECRET (nowhere)."
        ),
    ] = None,
) -> None:
    """Serve Shopify, Stripe, the email platform's SFTP, the analytics bucket and the stock's Kafka until stopped."""
    stock_topic = StockTopic(kafka) if kafka else None

    def announce(web: int, sftp: int, host_key: str) -> None:
        base = f"http://{host}:{web}"
        lines = [
            f"# The pretend shop answers at {base}; its own endpoints are under {base}/_admin/",
            f"# Shopify Admin GraphQL: {base}/shopify/admin/api/{API_VERSION}/graphql.json",
            f"# Stripe: {base}/stripe/v1/",
            f"# S3: bucket analytics at {base}/s3 (region eu-central-1)",
            "# Keys, unless set otherwise: shpat_demo, sk_test_demo, SFTP password demo, S3 AKIADEMO with demo",
            f"SHOPIFY_API_URL={base}/shopify",
            f"STRIPE_API_URL={base}/stripe",
            "GA_S3_URL=s3://analytics/ga4",
            f"GA_S3_ENDPOINT_URL={base}/s3",
            *([f"STOCK_KAFKA_BOOTSTRAP_SERVERS={stock_topic.address}"] if stock_topic else []),
            f"EMAIL_SFTP_URL=sftp://email@{host}:{sftp}/",
            f'EMAIL_SFTP_HOST_KEY="{host_key}"',
            f"UPLOADS_FOLDER_URL=sftp://email@{host}:{sftp}/uploads",
            f'UPLOADS_SFTP_HOST_KEY="{host_key}"',
        ]
        print("\n".join(lines), flush=True)

    server.serve(
        _state(state, seed, size, today, timezone),
        state_file=state,
        host=host,
        port=port,
        sftp_port=sftp_port,
        faults=fault_list.Faults(fault_list.load(faults) if faults else None),
        shopify_token=shopify_token,
        shopify_bucket=shopify_bucket,
        shopify_restore=shopify_restore,
        live=live,
        app_database=AppDatabase(app_database, app_reader_password) if app_database else None,
        stock_topic=stock_topic,
        webhooks=_targets(stripe=stripe_webhook_url, shopify=shopify_webhook_url),
        announce=announce,
    )


@app.command()
def truth(
    url: Url = None,
    state: StateFile = None,
    seed: Seed = 1,
    size: HowBig = Size.small,
    today: Today = None,
    timezone: Zone = "Europe/Berlin",
) -> None:
    """Print, as JSON, what the marts must say: of a served shop, of a state file, or of a shop by its options."""
    if url is None and state is not None and not state.exists():
        raise MockError(f"There is no state file {state}.")
    found = _call(url, "truth") if url else truth_of(_state(state, seed, size, today, timezone).world())
    print(json.dumps(found, indent=1))


@app.command()
def advance(
    url: Annotated[str, typer.Option(help="The shop that is being served.")] = "http://127.0.0.1:8090",
    days: Annotated[int, typer.Option(min=1, help="How many days pass.")] = 1,
) -> None:
    """Move the clock of a served shop on."""
    print(_call(url, "advance", {"days": days})["now"])


def main() -> None:
    try:
        app()
    except MockError as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
