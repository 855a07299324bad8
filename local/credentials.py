"""Random secrets of one stack, made at its first start and readable by its owner only."""

from __future__ import annotations

import base64
import json
import os
import secrets
from pathlib import Path


def stack_secrets(path: Path) -> dict[str, str]:
    """The secrets in `path`, which is written whole or not at all when it is not there yet."""
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    made = {
        name: secrets.token_urlsafe(24) for name in ("admin_password", "shopify", "stripe", "sftp", "app_reader", "s3")
    }
    made |= {name: secrets.token_urlsafe(48) for name in ("jwt", "api")}
    made["fernet"] = base64.urlsafe_b64encode(os.urandom(32)).decode()
    if known.keys() >= made.keys():
        return known
    made |= known  # a folder of an older version lacks the newer names only
    part = path.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps(made))
    part.rename(path)
    return made
