"""Images to stand in for the public ones where none can be pulled: Debian's packages under the same names.

One Debian system is made with debootstrap and imported; each stand-in is that system with the entrypoint, user and
folders which the public image has. What they cannot show: anything that differs between Debian's version and the
public image's, and what Debian does not have: Grafana, whose stand-in only reads the provisioning as Grafana would,
and Kafka, whose stand-in is librdkafka's mock cluster: it forgets all at its end and knows no settings.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from zlib import crc32

PACKAGES = (
    "python3,python3-venv,python3-yaml,python3-confluent-kafka,ca-certificates,wget,postgresql-15,prometheus,"
    "prometheus-alertmanager"
)
BASE = f"headwater-standin-base:{crc32(PACKAGES.encode()):x}"
PULL_SECONDS = 120
HERE = Path(__file__).parent

DOCKERFILES = {
    "python": """
        RUN ln -s /usr/bin/python3 /usr/local/bin/python
        CMD ["python3"]
    """,
    "postgres": """
        COPY postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh
        RUN mkdir -p /docker-entrypoint-initdb.d /var/lib/postgresql/data && chown -R postgres /var/lib/postgresql
        ENV PGDATA=/var/lib/postgresql/data PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin
        VOLUME /var/lib/postgresql/data
        ENTRYPOINT ["sh", "/usr/local/bin/docker-entrypoint.sh"]
        CMD ["postgres"]
    """,
    "prom/prometheus": """
        RUN mkdir -p /prometheus && chown nobody /prometheus
        USER nobody
        VOLUME /prometheus
        ENTRYPOINT ["/usr/bin/prometheus"]
    """,
    "prom/alertmanager": """
        RUN mkdir -p /alertmanager && chown nobody /alertmanager
        RUN ln -s /usr/bin/prometheus-alertmanager /bin/alertmanager
        USER nobody
        VOLUME /alertmanager
        ENTRYPOINT ["/bin/alertmanager"]
    """,
    "apache/kafka": """
        COPY kafka_standin.py /kafka_standin.py
        RUN useradd appuser && mkdir -p /var/lib/kafka/data && chown appuser /var/lib/kafka/data
        USER appuser
        VOLUME /var/lib/kafka/data
        ENTRYPOINT ["python3", "/kafka_standin.py"]
    """,
    "grafana/grafana": """
        COPY grafana_standin.py /grafana_standin.py
        RUN useradd --uid 472 grafana && mkdir -p /var/lib/grafana && chown grafana /var/lib/grafana
        USER grafana
        VOLUME /var/lib/grafana
        ENTRYPOINT ["python3", "/grafana_standin.py"]
    """,
}


def run(*command: str | Path, **more: object) -> None:
    subprocess.run([str(part) for part in command], check=True, **more)  # type: ignore[call-overload]


def image_names(root: Path) -> list[str]:
    """The public images that the Dockerfile and docker-compose.yml name."""
    found = re.findall(r"^FROM (\S+)", (root / "Dockerfile").read_text(), re.M)
    found += re.findall(r"^\s+image: (\S+)", (root / "docker-compose.yml").read_text(), re.M)
    return sorted({name for name in found if not name.startswith("headwater:")})


def ensure_images(root: Path, cache: Path) -> list[str]:
    """Pull each public image; build a stand-in for those that cannot be had. Returns the names of the stand-ins."""
    missing = [name for name in image_names(root) if not _present(name) and not _pulled(name)]
    if missing and not _present(BASE):
        _import_base(cache)
    for name in missing:
        _build(name, cache)
    return [name for name in image_names(root) if _is_standin(name)]


def _present(name: str) -> bool:
    return subprocess.run(["docker", "image", "inspect", name], capture_output=True).returncode == 0


def _pulled(name: str) -> bool:
    try:
        return subprocess.run(["docker", "pull", "-q", name], capture_output=True, timeout=PULL_SECONDS).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _is_standin(name: str) -> bool:
    label = '{{index .Config.Labels "headwater.standin"}}'
    done = subprocess.run(["docker", "image", "inspect", "-f", label, name], capture_output=True, text=True)
    return done.stdout.strip() == "yes"


def _import_base(cache: Path) -> None:
    if not shutil.which("debootstrap"):
        run("apt-get", "install", "-y", "-qq", "debootstrap", stdout=subprocess.DEVNULL)
    system = cache / "system"
    shutil.rmtree(system, ignore_errors=True)
    cache.mkdir(parents=True, exist_ok=True)
    print("making a Debian system for the stand-ins (about a minute) ...", flush=True)
    with (cache / "debootstrap.log").open("w") as log:
        run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", system, stdout=log)
    shutil.rmtree(system / "var/cache/apt/archives", ignore_errors=True)
    archive = subprocess.Popen(["tar", "-C", system, "-c", "."], stdout=subprocess.PIPE)
    run("docker", "import", "-", BASE, stdin=archive.stdout, stdout=subprocess.DEVNULL)
    shutil.rmtree(system)


def _build(name: str, cache: Path) -> None:
    kind = name.split(":")[0]
    context = cache / "context"
    shutil.rmtree(context, ignore_errors=True)
    shutil.copytree(HERE / "standin_files", context)
    lines = [line.strip() for line in DOCKERFILES[kind].strip().splitlines()]
    (context / "Dockerfile").write_text("\n".join([f"FROM {BASE}", *lines, "LABEL headwater.standin=yes", ""]))
    environment = {**os.environ, "DOCKER_BUILDKIT": "0"}
    run("docker", "build", "-q", "-t", name, context, env=environment, stdout=subprocess.DEVNULL)
