"""`python -m settings check`: read pipeline.yml and say what is wrong with it."""

from __future__ import annotations

import typer

from settings import friendly_errors, load_pipeline

app = typer.Typer(
    help="Check pipeline.yml.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


@app.callback()
def _door() -> None:
    """Check pipeline.yml."""


@app.command()
def check() -> None:
    """Read pipeline.yml and name every mistake in it by key and line."""
    pipeline = load_pipeline()
    streams = sum(len(source.streams) for source in pipeline.sources.values())
    print(f"pipeline.yml is right: {len(pipeline.sources)} sources, {streams} streams.")


if __name__ == "__main__":
    with friendly_errors():
        app()
