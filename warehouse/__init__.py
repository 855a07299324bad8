"""Everything about the database itself: connections and roles, migrations, the batch writer, deliveries, publish."""

from warehouse.connection import connect, dbt_environment, warehouse_url

__all__ = ["connect", "dbt_environment", "warehouse_url"]
