"""`python -m ingestion new-source`: the files of a source for a paged REST API, which pass the tests as they are.

All of them are written or none; nothing that is there is overwritten. The texts are in ingestion/templates.
"""

from __future__ import annotations

import keyword
import re
from enum import StrEnum
from pathlib import Path
from string import Template
from typing import Annotated

import typer
import yaml

from settings import HeadwaterError, Pipeline

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = Path(__file__).parent / "templates"
FILES = {
    "ingestion/sources/$name.py": "source.py",
    "ingestion/contracts/$name/$stream.json": "contract.json",
    "dbt/models/staging/$name/_${name}__sources.yml": "sources.yml",
    "dbt/models/staging/$name/stg_${name}__$stream.sql": "staging.sql",
    "dbt/models/staging/$name/stg_${name}__$stream.yml": "staging.yml",
    "tests/ingestion/test_$name.py": "test.py",
}


class Paging(StrEnum):
    cursor = "cursor"
    offset = "offset"
    page = "page"
    link = "link"
    next_url = "next-url"


CLASSES = {
    Paging.cursor: "Cursor",
    Paging.offset: "Offset",
    Paging.page: "PageNumber",
    Paging.link: "LinkHeader",
    Paging.next_url: "NextUrl",
}


def new_source(
    name: Annotated[str, typer.Argument(help="What pipeline.yml is to call it: small letters, digits, _.")],
    url: Annotated[str, typer.Option(help="The API's address, for the source's docstring.")] = "an address of its own",
    paging: Annotated[Paging, typer.Option(help="How the API gives its pages.")] = Paging.cursor,
    stream: Annotated[str, typer.Option(help="The first list that it has.")] = "records",
) -> None:
    """Write the files of a new REST source; they pass the tests, and wait for your names in place of the guessed."""
    for path in write_source(ROOT, name, url, paging, stream):
        print(f"wrote {path}")
    prefix = name.upper()
    print(
        f"\nPut into .env:\n  {prefix}_API_URL={url}\n  {prefix}_API_KEY=...\n"
        "and for Docker into docker-compose.yml, under x-environment:\n"
        f"  {prefix}_API_URL: ${{{prefix}_API_URL:-}}\n  {prefix}_API_KEY: ${{{prefix}_API_KEY:-}}\n"
        f"Then say in ingestion/sources/{name}.py where the records, the cursor and the times of change are\n"
        "(docs/adding-a-source.md), and run `python -m warehouse migrate` and"
        f" `python -m ingestion sync {name}`.\nWhen it does what you want, take `enabled: false` out of its block in"
        " pipeline.yml: from then on it is scheduled and watched."
    )


def write_source(root: Path, name: str, url: str, paging: Paging, stream: str) -> list[str]:
    """Write the files below `root`; the paths within it. Raises HeadwaterError, and nothing is left then."""
    for what, word in (("name", name), ("stream", stream)):
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,29}", word) or keyword.iskeyword(word) or "__" in word:
            raise HeadwaterError(f"{word!r} is no {what} for a source: use small letters, digits and _, 30 at most.")
    if not url.isprintable() or '"""' in url or "\\" in url or len(url) > 80:
        raise HeadwaterError("--url: write an address of at most 80 characters, such as https://api.example.com/v1.")
    names = {
        "name": name,
        "stream": stream,
        "url": url,
        "PREFIX": name.upper(),
        "Title": name.replace("_", " ").capitalize(),
        "Class": "".join(part.capitalize() for part in stream.split("_")),
        "Paging": CLASSES[paging],
    }
    texts = {root / Template(path).substitute(names): _filled(template, names) for path, template in FILES.items()}
    pipeline = root / "pipeline.yml"
    changed = with_block(pipeline.read_text(encoding="utf-8"), name, _filled("pipeline.yml", names))
    if there := [str(path.relative_to(root)) for path in texts if path.exists()]:
        raise HeadwaterError(f"{', '.join(there)} is there already; choose another name, or take it away first.")
    made: list[Path] = []
    try:
        for path, text in texts.items():
            made += [folder for folder in (path.parent,) if not folder.exists()]
            path.parent.mkdir(exist_ok=True)
            made.append(path)
            path.write_text(text, encoding="utf-8")
        part = pipeline.with_name("pipeline.yml.part")
        made.append(part)
        part.write_text(changed, encoding="utf-8")
        part.replace(pipeline)
    except BaseException as error:
        for path in reversed(made):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise HeadwaterError(f"{error.filename} cannot be written: {error.strerror}; nothing was kept.") from error
        raise
    return [*(str(path.relative_to(root)) for path in texts), "pipeline.yml"]


def with_block(text: str, name: str, block: str) -> str:
    """pipeline.yml with the block as the last of its sources, every other line as it was. Raises HeadwaterError."""
    before = yaml.safe_load(text)
    if name in before["sources"]:
        raise HeadwaterError(f"pipeline.yml has a source {name} already; choose another name.")
    lines = text.splitlines(keepends=True)
    tree = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(tree, yaml.MappingNode)  # what was read above had its sources by name
    keys = {key.value: key.start_mark.line for key, _ in tree.value}
    end = min((line for line in keys.values() if line > keys["sources"]), default=len(lines))
    while end > keys["sources"] + 1 and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1
    head = "".join(lines[:end])
    changed = f"{head}{'' if head.endswith(chr(10)) else chr(10)}{block}{''.join(lines[end:])}"
    try:
        after = yaml.safe_load(changed)
        Pipeline.model_validate(after)
        added = after["sources"].pop(name, None)
    except (yaml.YAMLError, ValueError) as error:
        raise HeadwaterError(f"pipeline.yml cannot take a block for {name}: {error}; add it by hand.") from error
    if added is None or after != before:
        raise HeadwaterError(f"pipeline.yml cannot take a block for {name} as it is written; add it by hand.")
    return changed


def _filled(template: str, names: dict[str, str]) -> str:
    return Template((TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")).substitute(names)
