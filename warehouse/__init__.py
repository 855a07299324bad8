"""Everything about the database itself: connections and roles, migrations, the batch writer, deliveries, publish."""

from warehouse.connection import connect, warehouse_url
from warehouse.dbt import dbt_environment

__all__ = ["connect", "dbt_environment", "warehouse_url"]
