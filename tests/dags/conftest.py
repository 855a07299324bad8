"""Airflow reads its settings when it is first imported: they are set here, before any test imports it."""

from __future__ import annotations

import os
import tempfile

AIRFLOW = {
    "AIRFLOW_HOME": tempfile.mkdtemp(prefix="headwater-airflow-"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////dev/null",  # no test here needs one; none must be made
    "DO_NOT_TRACK": "1",
}
os.environ.update(AIRFLOW)
