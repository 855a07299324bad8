#!/bin/sh
# Once at every `make up`, before the services: both databases are brought up to date.
set -eu
airflow db migrate
python -m warehouse migrate
