"""The whole stack on this machine without Docker: for `make demo`, `make local` and the end-to-end tests."""
