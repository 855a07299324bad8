"""Wiring only: schedules, order, retries, assets, deadlines. What the tasks do is in the other rooms."""
