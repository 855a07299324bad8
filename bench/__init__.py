"""How fast the platform is, as ratios measured within one run. It reports; nothing here is asserted."""
