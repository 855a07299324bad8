"""The tools that Headwater is measured against, each in an environment of its own under .bench/."""
