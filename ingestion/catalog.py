"""Find a source's class and a stream's contract by the names that pipeline.yml gives them."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

import ingestion.sources
from ingestion.contracts import Contract, load_contract
from ingestion.source import BaseSource
from settings import HeadwaterError, Pipeline


def source_class(source_type: str) -> type[BaseSource]:
    """The class `Source` of ingestion/sources/<source_type>.py; raises HeadwaterError when there is none."""
    known = sorted(module.name for module in pkgutil.iter_modules(ingestion.sources.__path__))
    if source_type not in known:
        raise HeadwaterError(f"There is no ingestion/sources/{source_type}.py; there are: {', '.join(known)}.")
    found = getattr(importlib.import_module(f"ingestion.sources.{source_type}"), "Source", None)
    if not (isinstance(found, type) and issubclass(found, BaseSource)):
        raise HeadwaterError(f"ingestion/sources/{source_type}.py has no class Source(BaseSource).")
    return found


def contract_of(source: str, source_type: str, stream: str) -> Contract:
    """The stream's contract; raises HeadwaterError when there is none that can be read."""
    return load_contract(contract_folder(source, source_type, stream), stream)


def contract_folder(source: str, source_type: str, stream: str) -> Path:
    """Where <stream>.json is, beside the sources' folder: contracts/<source_type>, or contracts/<source>.

    contracts/<source> goes first: two sources of one type may have streams of the same name.
    """
    module = importlib.import_module(f"ingestion.sources.{source_type}")
    assert module.__file__ is not None  # a source is a file
    contracts = Path(module.__file__).parent.parent / "contracts"
    own = (contracts / source / f"{stream}.json").is_file()
    return contracts / (source if own else source_type)


def check_names(pipeline: Pipeline, source: str, streams: list[str] | tuple[str, ...] = ()) -> None:
    """Raise HeadwaterError that lists the known ones when pipeline.yml or the source's file lacks one of the names."""
    settings = pipeline.source(source)
    written = source_class(settings.type).stream_names(settings)
    for stream in streams or settings.streams:
        if stream not in settings.streams:
            raise HeadwaterError(
                f"There is no stream {stream!r} of {source} in pipeline.yml; it has: {', '.join(settings.streams)}."
            )
        if stream not in written:
            raise HeadwaterError(
                f"ingestion/sources/{settings.type}.py has no stream {stream!r}; it has: {', '.join(written)}."
            )
