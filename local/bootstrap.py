"""Make .venv and install the hash-locked requirements into it: `python3 local/bootstrap.py [--dev]`.

Run by the system's python3, which may be old or lack parts: standard library only, and plain syntax throughout, so
that an old Python reaches the message that says so. A finished install is stamped with its lock's hash and skipped.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
OLDEST, NEWEST = (3, 11), (3, 13)
FREE_GIGABYTES = 2.5


def fail(message: str) -> NoReturn:
    print("error: " + message, file=sys.stderr)
    sys.exit(1)


def choose_python() -> str:
    """This Python when it fits, else one of PATH that does; PYTHON=... names another."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return sys.executable
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which(f"python3.{minor}")
        if found:
            return found
    fail(
        f"Python {sys.version_info[0]}.{sys.version_info[1]} is too old or too new: Headwater runs on"
        f" 3.{OLDEST[1]} to 3.{NEWEST[1]}. Install one and name it: make demo PYTHON=python3.{NEWEST[1]}"
    )


def check_venv_module(python: str) -> None:
    """Debian's bare python3 has no ensurepip: as root install it, else say how."""
    if subprocess.call([python, "-c", "import venv, ensurepip"], stderr=subprocess.DEVNULL) == 0:
        return
    version = subprocess.check_output([python, "-c", "import sys; print(*sys.version_info[:2], sep='.')"])
    package = f"python{version.decode().strip()}-venv"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        fail(f"this python3 cannot make virtual environments. Run: sudo apt-get install {package}, then again.")
    print(f"python3 has no venv module: installing Debian's {package} ...", flush=True)
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    subprocess.call(["apt-get", "update", "-qq"], env=environment)
    if subprocess.call(["apt-get", "install", "-y", "-qq", package], env=environment, stdout=subprocess.DEVNULL):
        fail(f"apt-get could not install {package}; install it by hand, then run again.")


def stamp(lock: Path) -> Path:
    return VENV / (".installed-" + lock.stem)


def installed(lock: Path) -> bool:
    path = stamp(lock)
    return path.exists() and path.read_text() == digest(lock)


def digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def run(command: list, what: str) -> None:
    environment = dict(os.environ)
    environment.setdefault("UV_SYSTEM_CERTS", "1")  # behind a company's own certificate authority
    if subprocess.call([str(part) for part in command], env=environment):
        fail(f"{what} failed (the lines above say why); nothing half-made is kept. Mend it, then run again.")


def install(lock: Path) -> None:
    if shutil.disk_usage(str(ROOT)).free < FREE_GIGABYTES * 1e9:
        fail(f"{ROOT} has less than {FREE_GIGABYTES} GB free, which the install needs; free some space.")
    python = choose_python()
    check_venv_module(python)
    if not (VENV / "bin" / "uv").exists():
        run([python, "-m", "venv", "--clear", VENV], "making .venv")
        pip = [VENV / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        run([*pip, "--require-hashes", "-r", ROOT / "requirements-bootstrap.txt"], "installing uv")
    print(f"Installing {lock.name} into .venv ...", flush=True)
    uv = [VENV / "bin" / "uv", "pip", "install", "--python", VENV / "bin" / "python", "--no-progress", "-q"]
    run([*uv, "--require-hashes", "--compile-bytecode", "-r", lock], "installing " + lock.name)
    stamp(lock).write_text(digest(lock))


def main() -> None:
    if sys.argv[1:] not in ([], ["--dev"]):
        print(__doc__)
        sys.exit(0 if sys.argv[1:] == ["--help"] else 2)
    everything = ROOT / "requirements-dev.txt"
    lock = everything if sys.argv[1:] == ["--dev"] else ROOT / "requirements.txt"
    if installed(lock) or installed(everything):
        return
    fresh = not VENV.exists()
    try:
        install(lock)
    except BaseException:
        if fresh:
            shutil.rmtree(str(VENV), ignore_errors=True)
        raise


if __name__ == "__main__":
    main()
