"""dlt: Stripe's charges to Postgres. `python dlt_charges.py ADDRESS URL FOLDER dicts|arrow`, in dlt's own environment.

`dicts` hands each page on as it was parsed: a column for each field of a charge, nested ones as JSON (no child tables).
`arrow` cuts the pages without parsing them and hands on Arrow tables of id, created and the charge's bytes: dlt neither
normalizes nor converts those.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import dlt
import msgspec
import orjson
import pyarrow as pa
import requests

ADDRESS, URL, FOLDER, MODE = sys.argv[1:]
ROWS = 5_000  # of an Arrow table


class Head(msgspec.Struct):
    id: str
    created: int


class Listed(msgspec.Struct):
    data: list[msgspec.Raw]
    has_more: bool


HEAD, LISTED = msgspec.json.Decoder(Head), msgspec.json.Decoder(Listed)


SESSION = requests.Session()
SESSION.trust_env = False
SESSION.headers["Authorization"] = "Bearer any"


def fetch(after: str | None) -> bytes:
    params = {"limit": "100", **({"starting_after": after} if after else {})}
    answer = SESSION.get(f"{ADDRESS}/v1/charges", params=params, timeout=60)
    answer.raise_for_status()
    return answer.content


@dlt.resource(name="charges", write_disposition="append", max_table_nesting=0)
def dicts() -> Iterator[list[dict[str, object]]]:
    page = orjson.loads(fetch(None))
    while page["data"]:
        yield page["data"]
        if not page["has_more"]:
            return
        page = orjson.loads(fetch(page["data"][-1]["id"]))


@dlt.resource(name="charges", write_disposition="append", columns={"data": {"data_type": "json"}})
def arrow() -> Iterator[pa.Table]:
    waiting: list[msgspec.Raw] = []
    page = LISTED.decode(fetch(None))
    while page.data:
        waiting += page.data
        if len(waiting) >= ROWS or not page.has_more:
            yield table(waiting)
            waiting = []
        if not page.has_more:
            return
        page = LISTED.decode(fetch(HEAD.decode(page.data[-1]).id))


def table(charges: list[msgspec.Raw]) -> pa.Table:
    heads = [HEAD.decode(charge) for charge in charges]
    return pa.table(
        {
            "id": [head.id for head in heads],
            "created": [head.created for head in heads],
            "data": pa.array([bytes(charge) for charge in charges], pa.binary()).cast(pa.string()),
        }
    )


pipeline = dlt.pipeline(
    "charges",
    destination=dlt.destinations.postgres(URL),
    dataset_name="bench",
    pipelines_dir=str(Path(FOLDER) / "pipelines"),
)
if MODE == "dicts":
    pipeline.run(dicts(), loader_file_format="csv")
else:
    pipeline.run(arrow(), loader_file_format="parquet")
