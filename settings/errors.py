"""Errors whose message is written for the person who has to act on it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class HeadwaterError(Exception):
    """What is wrong and what to do about it, in one or two lines."""


class SettingsError(HeadwaterError):
    """A setting, in pipeline.yml or in the environment, is missing or wrong."""


@contextmanager
def friendly_errors() -> Iterator[None]:
    """For the doors: print a HeadwaterError as its message alone and exit with 1, without a traceback."""
    try:
        yield
    except HeadwaterError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        raise SystemExit(130) from None
