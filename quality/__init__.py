"""What was checked and how it went: dbt's own results, the delivery checks, the scorecard."""
