"""What a served shop must remember over a restart: how it began, and how many days have passed."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from mock_apis.world.world import World


class MockError(Exception):
    """What is wrong and what to do, in a line or two for the user."""


class ShopState(BaseModel):
    """How to make a world; `host_key` is the SFTP server's private key (OpenSSH text)."""

    model_config = ConfigDict(extra="forbid")

    seed: int = 1
    size: Literal["tiny", "small", "large"] = "small"
    today: date = Field(description="the day on which it began")
    timezone: str = "Europe/Berlin"
    days_advanced: int = Field(default=0, ge=0)
    host_key: str | None = None
    digest: str | None = Field(default=None, description="of the shop on its first day, to know it again by")

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"{name!r} is no time zone") from error
        return name

    def world(self) -> World:
        """The world as it was: made anew from its seed and moved on day by day.

        Raises MockError if it has become another one: what was loaded of it does not fit any more.
        """
        world = World(self.seed, self.size, self.today, self.timezone)
        digest = digest_of(world)
        if self.digest not in (None, digest):
            raise MockError(
                "The pretend shop has changed with this version: what is loaded already is another shop's.\n"
                "Delete what the older one left (`make clean`) and begin anew."
            )
        self.digest = digest
        if self.days_advanced:
            world.advance(self.days_advanced)
        return world


def digest_of(world: World) -> str:
    """The same for the same orders and payments, and another one for any other shop."""
    orders = [(order.id, order.email, order.processed_at.isoformat()) for order in world.orders.values()]
    charges = [(charge.id, charge.amount) for charge in world.charges.values()]
    counts = [len(world.products), len(world.customers), len(world.email_events), len(world.web_events)]
    return hashlib.sha256(json.dumps([orders, charges, counts]).encode()).hexdigest()


def load(path: Path) -> ShopState | None:
    """The state in the file, or None where there is no file.

    Raises MockError if it can't be read or isn't a state.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise MockError(f"The state file {path} can't be read: {error}.") from error
    try:
        return ShopState.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "JSON"
        raise MockError(
            f"The state file {path} is broken ({where}: {first['msg']}).\n"
            "Delete it to begin a new shop, or give another one with --state."
        ) from error


def save(state: ShopState, path: Path) -> None:
    """Write the file in one step, readable by its owner alone: it holds a private key.

    Raises MockError if it can't be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(state.model_dump(mode="json"), indent=2) + "\n")
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise MockError(f"The state file {path} can't be written: {error.strerror or error}.") from error
