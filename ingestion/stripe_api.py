"""Stripe's REST API as far as we read it: lists, what events say has changed, one object as it is now."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from ingestion.cut import at, elements, members
from ingestion.http import HttpClient, HttpError
from ingestion.refetch import Change
from ingestion.source import parse_time
from settings import HeadwaterError, secret, setting
from settings.pipeline import Http

ADDRESS = "https://api.stripe.com"
API_VERSION = "2026-10-28.endive"
PAGE_SIZE = 100
LONGEST_ID = 255

Cursor = dict[str, Any]  # {"after": the last object's id, "created": its time in Unix seconds}

log = logging.getLogger(__name__)


class ListPage(NamedTuple):
    """Objects as their exact bytes, newest first. `cursor` goes on after them; None when there are no more."""

    objects: list[bytes]
    cursor: Cursor | None


class StripeApi:
    """Reads with `{SOURCE}_API_KEY` at `{SOURCE}_API_URL`. Raises HeadwaterError when the key is not set."""

    def __init__(self, http: Http, source: str):
        key = f"{source.upper()}_API_KEY"
        headers = {"Authorization": f"Bearer {secret(key)}", "Stripe-Version": API_VERSION}
        self.http = HttpClient(setting(f"{source.upper()}_API_URL", ADDRESS), headers, http, source, key)

    def now(self, path: str) -> datetime:
        """Stripe's clock, asked with the smallest request that a key which may list `path` may make."""
        self.http.get_json(f"v1/{path}", {"limit": 1})
        return self.http.server_time()

    def list(
        self,
        path: str,
        start: datetime | None,
        end: datetime,
        cursor: Cursor | None,
        types: tuple[str, ...] = (),
    ) -> Iterator[ListPage]:
        """What was created from `start` to `end`, both included, after `cursor`; events only of these types."""
        filters: dict[str, Any] = {f"types[{place}]": name for place, name in enumerate(types)}
        if start is not None:
            filters["created[gte]"] = int(start.timestamp())
        while True:
            found, more = _cut(self._page(path, filters, int(end.timestamp()), cursor), path)
            before, cursor = cursor, _cursor(found, path) if more else None
            if cursor and cursor == before:
                raise HeadwaterError(f"stripe: v1/{path} does not get past {cursor['after']}: it comes again.")
            yield ListPage(found, cursor)
            if cursor is None:
                return

    def retrieve(self, path: str, object_id: str) -> bytes | None:
        """The object's bytes as it is now; None when Stripe does not know it any more."""
        try:
            return self.http.get_json(f"v1/{path}/{object_id}").body
        except HttpError as error:
            if error.status == 404:
                return None
            raise

    def _page(self, path: str, filters: dict[str, Any], end: int, cursor: Cursor | None) -> bytes:
        window = {"limit": PAGE_SIZE, **filters, "created[lte]": end}
        if cursor is None:
            return self.http.get_json(f"v1/{path}", window).body
        try:
            return self.http.get_json(f"v1/{path}", window | {"starting_after": cursor["after"]}).body
        except HttpError as error:
            if error.status not in (400, 404):
                raise
        # The object that the cursor names is gone. Its second is read again: what is in already changes nothing.
        log.warning("stripe: %s knows no %s any more; going on from its time.", path, cursor["after"])
        return self.http.get_json(f"v1/{path}", window | {"created[lte]": cursor["created"]}).body


def newest_changes(events: list[bytes], noun: str) -> list[Change]:
    """What events, newest first, tell of objects called `noun`, each object once with its newest event.

    An event about another object (a dispute) tells of ours by the field of that name (its charge).
    Raises HeadwaterError when an event is not what Stripe documents.
    """
    changes: dict[str, Change] = {}
    for event in events:
        try:
            thing = members(at(event, "data", "object"))
            field = "id" if msgspec.json.decode(thing["object"]) == noun else noun
            object_id = msgspec.json.decode(thing[field]) if field in thing else None
            created = parse_time(msgspec.json.decode(at(event, "created")), "created")
        except (ValueError, KeyError, msgspec.DecodeError) as error:
            raise HeadwaterError(f"stripe: an event is not what it should be ({error}): {event[:200]!r}") from error
        if isinstance(object_id, str):
            changes.setdefault(object_id, Change(object_id, created, event))
    return list(changes.values())


def _cut(body: bytes, path: str) -> tuple[list[bytes], bool]:
    try:
        answer = members(body)
        found, more = elements(answer["data"]), answer["has_more"] == b"true"
    except (ValueError, KeyError) as error:
        raise HeadwaterError(f"stripe: v1/{path} did not answer with a list ({error}); check the address.") from error
    if more and not found:
        raise HeadwaterError(f"stripe: v1/{path} says that there is more, and gives nothing.")
    return found, more


def _cursor(objects: list[bytes], path: str) -> Cursor:
    """After the last object that has an id and a time; broken ones behind it come again with the next page.

    An id that is longer than Stripe's, or that no bookmark could hold (a null character in it), counts as none.
    """
    for each in reversed(objects):
        try:
            fields = members(each)
            after = msgspec.json.decode(fields["id"], type=str)
            created = msgspec.json.decode(fields["created"], type=int)
        except (ValueError, KeyError):
            continue
        if 0 < len(after) <= LONGEST_ID and after.isprintable():
            return {"after": after, "created": created}
    raise HeadwaterError(f"stripe: v1/{path} cannot be paged: of {len(objects)} objects none has an id and a time.")
