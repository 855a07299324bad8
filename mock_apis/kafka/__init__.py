"""The topic on which the pretend shop's warehouse tells how its stock changes."""

from mock_apis.kafka.topic import OWN, StockTopic

__all__ = ["OWN", "StockTopic"]
