"""The .env of the Docker stack: whole at the first `make up`, completed by a later version with no word changed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT

COMPOSE = (ROOT / "docker-compose.yml").read_text()


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(ROOT / "docker"))
    return tmp_path / ".env"


def test_the_first_one_has_all_that_compose_asks_for_and_only_its_owner_reads_it(env: Path) -> None:
    from env_file import read_env, write_env

    write_env(env)
    wanted = set(re.findall(r"\$\{(\w+)\}", COMPOSE))
    settings = read_env(env)
    assert wanted <= settings.keys()
    assert env.stat().st_mode & 0o077 == 0
    assert "{" not in env.read_text()
    words = [value for value in settings.values() if re.search(r"[0-9a-f]{48}", value)]
    assert len(words) == len(set(words)) + 1, "each secret is its own, but the one login that two settings share"


def test_an_older_one_gets_the_new_secrets_and_keeps_what_its_owner_made_of_it(env: Path) -> None:
    from env_file import add_new_secrets, read_env, write_env

    write_env(env)
    lines = [line for line in env.read_text().splitlines() if not line.startswith(("DASHBOARD_", "EMAIL_"))]
    older = "\n".join(line.replace("http://mock-apis:8000/stripe", "https://stripe.example") for line in lines)
    env.write_text(older)
    assert add_new_secrets(env) == ["DASHBOARD_PASSWORD"]
    assert env.read_text().startswith(older)
    assert len(read_env(env)["DASHBOARD_PASSWORD"]) == 48
    assert env.stat().st_mode & 0o077 == 0
    assert add_new_secrets(env) == []
