"""The peers' environments, .bench/<name>: made once from bench/peers/<name>.txt, made anew when that file changes."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from settings import HeadwaterError

ROOT = Path(__file__).resolve().parent.parent
PINS = Path(__file__).with_name("peers")


def environment(name: str) -> Path:
    """The bin folder of the environment. Raises HeadwaterError when it cannot be made (without a network, say)."""
    pins, home = PINS / f"{name}.txt", ROOT / ".bench" / name
    stamp, digest = home / "pins.sha256", hashlib.sha256(pins.read_bytes()).hexdigest()
    if not (stamp.exists() and stamp.read_text() == digest):
        print(f"Installing {pins.relative_to(ROOT)} into {home.relative_to(ROOT)} ...", file=sys.stderr)
        _uv(name, "venv", "-q", "--clear", "--python", sys.executable, str(home))
        python = ("--python", str(home / "bin" / "python"))
        _uv(name, "pip", "install", "-q", "--no-progress", "--compile-bytecode", *python, "-r", str(pins))
        stamp.write_text(digest)
    return home / "bin"


def version(environment_name: str, package: str) -> str:
    """The release that is pinned for it, as "package 1.2.3"."""
    found = re.search(rf"^{re.escape(package)}==(\S+)", (PINS / f"{environment_name}.txt").read_text(), re.MULTILINE)
    assert found, f"bench/peers/{environment_name}.txt has no {package}"
    return f"{package} {found[1]}"


def _uv(name: str, *arguments: str) -> None:
    uv = Path(sys.executable).with_name("uv")
    command = str(uv) if uv.exists() else shutil.which("uv")
    if not command:
        raise HeadwaterError("There is no uv, which makes the peers' environments; run `make install-dev`.")
    done = subprocess.run([command, *arguments], env={"UV_SYSTEM_CERTS": "1", **os.environ}, stderr=subprocess.PIPE)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-600:]
        raise HeadwaterError(
            f"The environment of {name} could not be made: {said}\nMend that, or leave the peer out with `--without`;"
            " the figures are then without it."
        )
