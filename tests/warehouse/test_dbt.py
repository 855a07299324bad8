"""`python -m warehouse dbt`: dbt with the pipeline's address and settings."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from settings import load_pipeline
from warehouse.dbt import run_dbt


def test_a_source_is_stale_for_dbt_when_it_is_for_the_pipeline(
    clean_warehouse: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each stream a minute within its `freshness` of pipeline.yml passes; a minute beyond it, it does not."""
    sources = load_pipeline().enabled_sources
    streams = [(source, stream) for source, block in sources.items() for stream in block.streams]
    for minutes, verdict in ((-1, "pass"), (1, "error")):
        with psycopg.connect(clean_warehouse, autocommit=True) as connection:
            for source, stream in streams:
                connection.execute(
                    "insert into ops.checkpoints (source, stream, watermark)"
                    " values (%(source)s, %(stream)s, now() - %(age)s - %(minutes)s * interval '1 minute')"
                    " on conflict (source, stream) do update set watermark = excluded.watermark",
                    {"source": source, "stream": stream, "age": sources[source].freshness, "minutes": minutes},
                )
        places = ["--target-path", str(tmp_path / "target"), "--log-path", str(tmp_path / "logs")]
        exit_code = run_dbt(["source", "freshness", *places])
        assert exit_code == (verdict == "error"), capfd.readouterr().out
        results = json.loads((tmp_path / "target" / "sources.json").read_text())["results"]
        assert {tuple(result["unique_id"].split(".")[2:]): result["status"] for result in results} == dict.fromkeys(
            streams, verdict
        )
