"""Checkpointed extractors: sources (one small file each), the loop that runs them, contracts, HTTP."""
