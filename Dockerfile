# One image for every service of our own: Airflow's parts, the mock APIs, the exporter.
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DO_NOT_TRACK=1 \
    PATH=/opt/venv/bin:$PATH PYTHONPATH=/opt/headwater \
    AIRFLOW_HOME=/opt/airflow AIRFLOW__CORE__DAGS_FOLDER=/opt/headwater/dags AIRFLOW__CORE__LOAD_EXAMPLES=False
WORKDIR /opt/headwater

# Certificates of a company's own authority, if any, for the installs below (docker/ca is git-ignored).
COPY docker/ca/ /usr/local/share/ca-certificates/
RUN update-ca-certificates

COPY requirements-bootstrap.txt requirements.txt ./
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    python3 -m venv /opt/venv \
    && pip install -q --no-cache-dir --disable-pip-version-check --require-hashes -r requirements-bootstrap.txt \
    && UV_SYSTEM_CERTS=1 uv pip install -q --no-cache --python /opt/venv/bin/python --require-hashes \
       --compile-bytecode -r requirements.txt

COPY . .
RUN useradd --uid 50000 --create-home headwater \
    && mkdir -p /opt/airflow/logs /opt/headwater/dbt/target /opt/headwater/dbt/logs /opt/headwater/state \
       /opt/headwater/reports \
    && chown -R headwater /opt/airflow /opt/headwater/dbt /opt/headwater/state /opt/headwater/reports
COPY --chmod=0755 docker/entrypoint.sh /usr/local/bin/entrypoint
USER headwater

ENTRYPOINT ["entrypoint"]
