"""The long-running processes of one stack, by name: start them, wait until they are ready, notice one that ended."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from local.processes import end_all, last_line, spawn
from settings import HeadwaterError

ROOT = Path(__file__).resolve().parent.parent


class Services:
    """Each runs from the repo's root and writes to `home`/logs/<name>.log. `leashed`: it ends with the caller."""

    def __init__(self, home: Path, leashed: bool):
        self.home = home
        self._leashed = leashed
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"

    def run(self, name: str, command: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
        """Start a process that is to end by itself; whoever asked waits for it."""
        return spawn(command, log=self.log(name), env=env, cwd=ROOT, leashed=self._leashed)

    def start(self, name: str, command: list[str], env: dict[str, str]) -> None:
        self._processes[name] = self.run(name, command, env)

    def until(self, ready: Callable[[], bool], seconds: float, *names: str) -> None:
        """Wait for `ready`; an ended process or a passed deadline is a HeadwaterError that names its log."""
        deadline = time.monotonic() + seconds
        while not ready():
            for name in names:
                self._check(name)
                if time.monotonic() > deadline:
                    raise HeadwaterError(f"{name} was not ready after {seconds:.0f} s; see {self.log(name)}")
            time.sleep(0.1)

    def check_alive(self) -> None:
        """Raises HeadwaterError when one of them has ended."""
        for name in self._processes:
            self._check(name)

    def ask_to_end(self, prefix: str) -> None:
        """Those whose name begins with `prefix`, without waiting for them."""
        for name, process in self._processes.items():
            if name.startswith(prefix):
                process.terminate()

    def end(self) -> None:
        """End every process of the stack, also what its services have started."""
        end_all(self.home, [process.pid for process in self._processes.values()])
        for process in self._processes.values():
            process.wait()
        self._processes.clear()

    def _check(self, name: str) -> None:
        if (code := self._processes[name].poll()) is not None:
            log = self.log(name)
            raise HeadwaterError(f"{name} ended ({code}): {last_line(log)}; see {log}")
