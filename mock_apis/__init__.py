"""One pretend shop, served as the real APIs serve it, with a clock and faults on demand."""
