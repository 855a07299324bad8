"""What ops says, for Prometheus (the exporter) and for people (the report)."""
