"""Typed settings: `pipeline.yml` for what a fork decides, the environment for addresses and secrets."""

from settings.environment import dbt_project, secret, setting
from settings.errors import HeadwaterError, SettingsError, friendly_errors
from settings.pipeline import Pipeline, SourceSettings, StreamSettings, load_pipeline

__all__ = [
    "HeadwaterError",
    "Pipeline",
    "SettingsError",
    "SourceSettings",
    "StreamSettings",
    "dbt_project",
    "friendly_errors",
    "load_pipeline",
    "secret",
    "setting",
]
