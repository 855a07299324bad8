"""The receiver as a process: it takes deliveries, and applies what it has stored in a thread beside."""

from __future__ import annotations

import logging
import os
import socket
import threading

import psycopg
import uvicorn

from ingestion.webhooks.apply import apply_pending
from ingestion.webhooks.receiver import create_app
from ingestion.webhooks.senders import inboxes
from ingestion.webhooks.tally import Tally
from settings import HeadwaterError, load_pipeline

QUIET_SECONDS = 2.0  # a change comes as several events at once: they are applied together
LONGEST_WAIT = 60.0  # for those that are to be tried again
STOP_SECONDS = 3

log = logging.getLogger(__name__)


class Applier:
    """A thread that applies pending events soon after `wake`, looks for leftovers every minute, and keeps the tally."""

    def __init__(self, tally: Tally, url: str | None = None):
        self._tally, self._url = tally, url
        self._woken, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="apply", daemon=True)

    def start(self) -> Applier:
        self._woken.set()  # what an earlier process left
        self._thread.start()
        return self

    def wake(self) -> None:
        self._woken.set()

    def stop(self) -> None:
        """What is under way is ended by the process's end: a step is one transaction, and its events stay pending."""
        self._ended.set()
        self._woken.set()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while not self._ended.is_set():
            self._woken.wait(LONGEST_WAIT)
            if self._ended.wait(QUIET_SECONDS):
                break
            self._woken.clear()
            self._count()
            try:
                for done in apply_pending(url=self._url, due_only=True):
                    log.info("%s.%s: %s events applied, %s new", done.source, done.stream, done.events, done.kept)
                    if done.left:
                        log.warning("%s.%s: webhooks are left pending: %s", done.source, done.stream, done.left)
            except (HeadwaterError, psycopg.Error) as error:
                log.error("webhooks could not be applied: %s", error)
            except Exception:
                # Events wait in the warehouse; what is wrong with one stream's code must not end the receiver.
                log.exception("webhooks could not be applied")
        self._count()

    def _count(self) -> None:
        try:
            self._tally.keep(self._url)
        except (HeadwaterError, psycopg.Error) as error:
            log.error("webhooks are not counted for now: %s", error)


def serve(host: str, port: int, url: str | None = None) -> None:
    """Take webhooks until told to stop. Raises HeadwaterError for a missing setting or a port that is taken."""
    boxes = inboxes(load_pipeline())
    try:
        listener = socket.create_server((host, port), backlog=128)
    except OSError as error:
        raise HeadwaterError(
            f"Cannot listen on {host}:{port}: {os.strerror(error.errno or 0).lower()}; choose another with --port."
        ) from error
    with listener:
        tally = Tally(boxes)
        applier = Applier(tally, url).start()
        try:
            app = create_app(boxes, tally=tally, url=url, stored=applier.wake)
            config = uvicorn.Config(
                app,
                lifespan="off",
                log_level="warning",
                access_log=False,
                server_header=False,
                limit_concurrency=200,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
            for source in boxes:
                print(f"Webhooks of {source}: http://{host}:{listener.getsockname()[1]}/webhooks/{source}", flush=True)
            uvicorn.Server(config).run(sockets=[listener])
        finally:
            applier.stop()
