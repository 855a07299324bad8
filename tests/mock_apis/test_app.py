"""The door of the pretend shop: serve, truth, advance; the state file; what is said when something is wrong."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from mock_apis.__main__ import main
from mock_apis.server import listening

OPTIONS = ["--seed", "7", "--size", "tiny", "--today", "2026-03-20"]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "mock_apis", *words]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def serving(*words: str) -> Iterator[dict[str, str]]:
    """The environment lines that `serve` prints; it must end well at SIGTERM."""
    process = subprocess.Popen(
        command("serve", "--port", "0", "--sftp-port", "0", *words), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    env: dict[str, str] = {}
    try:
        for line in process.stdout:
            if not line.startswith("#"):
                name, _, value = line.strip().partition("=")
                env[name] = value.strip('"')
            if "UPLOADS_SFTP_HOST_KEY" in env:
                break
        yield env
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def base(env: dict[str, str]) -> str:
    return env["SHOPIFY_API_URL"].removesuffix("/shopify")


def test_a_shop_comes_back_from_its_state_with_its_clock_and_its_key(tmp_path: Path) -> None:
    state = tmp_path / "kept" / "shop.json"
    with serving("--state", str(state), *OPTIONS) as env:
        keys = {"EMAIL_SFTP_HOST_KEY", "UPLOADS_SFTP_HOST_KEY", "GA_S3_URL", "GA_S3_ENDPOINT_URL"}
        assert set(env) == {"SHOPIFY_API_URL", "STRIPE_API_URL", "EMAIL_SFTP_URL", "UPLOADS_FOLDER_URL", *keys}
        health = requests.get(f"{base(env)}/_admin/health", timeout=10)
        assert health.json() == {"status": "ok", "now": "2026-03-20T00:00:00Z"}
        assert health.headers["Date"] == "Fri, 20 Mar 2026 00:00:00 GMT"
        assert requests.get(f"{base(env)}/_admin/sftp_host_key", timeout=10).text == env["EMAIL_SFTP_HOST_KEY"]
        assert run("advance", "--url", base(env), "--days", "2").stdout.strip() == "2026-03-22T00:00:00Z"
        before = requests.get(f"{base(env)}/_admin/truth", timeout=10).json()
    assert state.stat().st_mode & 0o077 == 0
    assert before["as_of"] == "2026-03-22T00:00:00Z"
    # The options lose against the state.
    with serving("--state", str(state), "--seed", "8", "--size", "small") as again:
        assert again["EMAIL_SFTP_HOST_KEY"] == env["EMAIL_SFTP_HOST_KEY"]
        assert json.loads(run("truth", "--url", base(again)).stdout) == before
    assert json.loads(run("truth", "--state", str(state)).stdout) == before


def test_a_shop_that_has_become_another_is_not_served_over_what_was_loaded_of_it(
    tmp_path: Path, complaint: Callable[..., str]
) -> None:
    """As when a newer version makes other orders of the same seed."""
    state = tmp_path / "shop.json"
    with serving("--state", str(state), *OPTIONS) as env:
        assert requests.get(f"{base(env)}/_admin/health", timeout=10).ok
    was = json.loads(state.read_text())
    state.write_text(json.dumps({**was, "seed": was["seed"] + 1}))
    said = complaint("serve", "--port", "0", "--sftp-port", "0", "--state", str(state))
    assert "has changed with this version" in said and "make clean" in said


@pytest.mark.parametrize("body", ['{"days": 0}', '{"days": "two"}', "[]", "{"])
def test_the_clock_is_not_moved_by_nonsense(shop: str, body: str) -> None:
    answer = requests.post(f"{shop}/_admin/advance", data=body, timeout=10)
    assert answer.status_code == 400
    assert requests.get(f"{shop}/_admin/clock", timeout=10).json()["today"] == "2026-03-20"


def test_the_clock_stands_still_when_its_state_cannot_be_kept(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    with serving("--state", str(folder / "shop.json"), *OPTIONS) as env:
        (folder / "shop.json").unlink()
        folder.rmdir()
        folder.write_text("in the way")
        answer = requests.post(f"{base(env)}/_admin/advance", timeout=10)
        assert answer.status_code == 500 and "can't be written" in answer.json()["error"]
        assert requests.get(f"{base(env)}/_admin/clock", timeout=10).json()["today"] == "2026-03-20"


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    with serving(*OPTIONS) as env:
        yield base(env)


@pytest.fixture
def complaint(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What the door says when it refuses: two lines at most, and nothing on its output."""

    def refused(*words: str) -> str:
        monkeypatch.setattr(sys, "argv", ["mock_apis", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert ended.value.code == 1
        assert said.out == ""
        assert 1 <= len(said.err.strip().splitlines()) <= 2
        return said.err

    return refused


@pytest.mark.parametrize("option", ["--port", "--sftp-port"])
def test_a_port_in_use_is_named_with_its_option(tmp_path: Path, complaint: Callable[..., str], option: str) -> None:
    other = "--sftp-port" if option == "--port" else "--port"
    with listening("127.0.0.1", 0, option) as taken:
        port = str(taken.getsockname()[1])
        state = tmp_path / "shop.json"
        said = complaint("serve", option, port, other, "0", "--state", str(state), *OPTIONS)
    assert port in said and f"another port with {option}" in said
    assert not state.exists()


@pytest.mark.parametrize(
    ("text", "word"),
    [("{", "JSON"), ('{"today": "2026-03-20", "size": "huge"}', "size"), ('{"seed": 1}', "today")],
)
def test_a_broken_state_file_is_named_with_its_mistake(
    tmp_path: Path, complaint: Callable[..., str], text: str, word: str
) -> None:
    state = tmp_path / "shop.json"
    state.write_text(text)
    said = complaint("serve", "--port", "0", "--sftp-port", "0", "--state", str(state))
    assert str(state) in said and word in said
    assert state.read_text() == text


def test_other_mistakes_are_named_in_a_line(tmp_path: Path, complaint: Callable[..., str]) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text('[{"target": "shopify", "kind": "flood"}]')
    assert "0.kind" in complaint("serve", "--faults", str(faults))
    done = run("truth", "--today", "soon")
    assert done.returncode == 1 and "YYYY-MM-DD" in done.stderr and "Traceback" not in done.stderr
    assert "no time zone" in complaint("truth", "--timezone", "Mars/Olympus")
    assert "no state file" in complaint("truth", "--state", str(tmp_path / "none.json"))
    assert "No shop answers" in complaint("advance", "--url", "http://127.0.0.1:9")
