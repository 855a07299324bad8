"""Serves the pretend shop over HTTP, SFTP and Kafka until it is told to stop."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType

import uvicorn

from mock_apis import state as shop_state
from mock_apis.app import create_app
from mock_apis.app_database import AppDatabase
from mock_apis.faults import Faults
from mock_apis.kafka import StockTopic
from mock_apis.live import LiveClock
from mock_apis.middleware import App, Protocol
from mock_apis.sftp import SftpServer, new_host_key
from mock_apis.state import MockError, ShopState
from mock_apis.webhooks import Target, WebhookSender
from mock_apis.world.ref import WorldRef
from mock_apis.world.world import World

STOP_SECONDS = 3


@contextmanager
def listening(host: str, port: int, option: str) -> Iterator[socket.socket]:
    """A listening socket (port 0: any free one).

    Raises MockError, naming the option to change, if it can't be had.
    """
    try:
        opened = socket.create_server((host, port), backlog=128)
    except OSError as error:
        raise _unavailable(host, port, option, error) from error
    with opened:
        # Its connections inherit this. Without it each answer waits some 40 ms for the client's
        # acknowledgement: asyncio turns Nagle off only on sockets that name their protocol.
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield opened


def _unavailable(host: str, port: int, option: str, error: OSError) -> MockError:
    return MockError(
        f"Can't listen on {host}:{port}: {os.strerror(error.errno or 0).lower()}.\n"
        f"Stop the program that uses it, or choose another port with {option}."
    )


def serve(
    state: ShopState,
    *,
    state_file: Path | None,
    host: str,
    port: int,
    sftp_port: int,
    faults: Faults,
    shopify_token: str | None,
    shopify_bucket: int,
    shopify_restore: int,
    live: bool,
    app_database: AppDatabase | None,
    stock_topic: StockTopic | None,
    webhooks: Mapping[str, Target],
    announce: Callable[[int, int, str], None],
) -> None:
    """Serve until SIGTERM or SIGINT; `announce` is told the two ports and the SFTP host key. `live`: see LiveClock.

    Raises MockError if a port, the state file or the app's database can't be had.
    """
    state = state.model_copy(update={"host_key": state.host_key or new_host_key()})
    with listening(host, port, "--port") as web:
        written = [it.write for it in (app_database, stock_topic) if it]

        def write(world: World) -> None:
            for each in written:
                each(world)

        world_ref = WorldRef(state.world(), write)
        write(world_ref.world)
        sftp = SftpServer(world_ref, host, sftp_port, host_key=state.host_key, faults=faults)
        try:
            sftp.start()
        except OSError as error:
            raise _unavailable(host, sftp_port, "--sftp-port", error) from error
        try:
            if state_file:
                shop_state.save(state, state_file)

            def remember(days: int) -> None:
                nonlocal state
                moved = state.model_copy(update={"days_advanced": state.days_advanced + days})
                if state_file:
                    shop_state.save(moved, state_file)
                state = moved

            sender = WebhookSender(webhooks, state.seed).start()
            app = create_app(
                world_ref,
                faults=faults,
                shopify_token=shopify_token,
                shopify_bucket=shopify_bucket,
                shopify_restore=shopify_restore,
                host_key=lambda: sftp.host_key,
                kafka=stock_topic.address if stock_topic else None,
                remember=remember,
                webhooks=sender,
            )
            try:
                with LiveClock(world_ref, remember) if live else nullcontext():
                    announce(web.getsockname()[1], sftp.port, sftp.host_key)
                    _run(config(app), web)
            finally:
                sender.stop()
        finally:
            sftp.stop()


def config(app: App) -> uvicorn.Config:
    """How the application is served: with the world's Date, and with connections that faults can break."""
    return uvicorn.Config(
        app,
        http=Protocol,
        loop="asyncio",
        lifespan="off",
        log_level="warning",
        access_log=False,
        date_header=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def _run(config: uvicorn.Config, web: socket.socket) -> None:
    # uvicorn stops at SIGTERM or SIGINT and then raises the signal again for us: that is no failure here.
    def stopped(_number: int, _frame: FrameType | None) -> None:
        return None

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stopped)
    uvicorn.Server(config).run(sockets=[web])
