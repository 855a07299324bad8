"""Prometheus' own programs for the tests: from PATH, else unpacked from Debian's package into .local/tools."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / ".local" / "tools"
PACKAGES = {"promtool": "prometheus", "prometheus": "prometheus", "amtool": "prometheus-alertmanager"}


def tool(name: str) -> str:
    """The path of `promtool`, `prometheus` or `amtool`; neither root nor an installation is needed.

    Fails the test with what to install where there is no apt and the program is not on PATH.
    """
    found = shutil.which(name) or shutil.which(name, path=str(TOOLS / "usr" / "bin"))
    return found or _unpack(name)


def _unpack(name: str) -> str:
    package = PACKAGES[name]
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise AssertionError(f"{name} is not on PATH; install Prometheus' `{package}` and run the tests again.")
    folder = TOOLS / "apt"
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    # Lists and cache of our own, so that neither root nor an earlier `apt-get update` is needed.
    options = ["-o", f"Dir::State::lists={folder}/lists", "-o", f"Dir::Cache={folder}/cache"]
    options += ["-o", "APT::Sandbox::User="]
    for arguments in (["update", "-q"], ["download", "-q", package]):
        _run(["apt-get", *options, *arguments], folder, name)
    archive = next(folder.glob(f"{package}_*.deb"))
    _run(["dpkg-deb", "-x", str(archive), str(TOOLS)], folder, name)
    shutil.rmtree(folder)
    return str(TOOLS / "usr" / "bin" / name)


def _run(command: list[str], folder: Path, name: str) -> None:
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180)
    if ended.returncode:
        reason = (ended.stderr or ended.stdout).strip().splitlines()[-1:]
        raise AssertionError(f"{name} is not on PATH and could not be fetched: `{' '.join(command)}`: {reason}")
