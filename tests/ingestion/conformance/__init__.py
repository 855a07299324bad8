"""What every source must stand, whatever it reads from: the same cases, driven by one adapter a source.

A new source joins with a module here that derives `Adapter` (adapter.py) or, for an HTTP API, `HttpAdapter`
(http_adapter.py), and its class in `ADAPTERS` (conftest.py). The adapter says

- `document(thing)`: a record as the source shows it; somewhere in it stands `thing.mark`, by which the cases find in
  raw what they changed at the source;
- `answer(request)` for HTTP, `shown`, `fail` and `cut_off` for others: how records appear and how the source fails;
- `required`, `text`: a required text field (for drift) and one that takes any text (for hostile values);
- what the source cannot do (`tells_deletions`, `has_window`, ...), each with what its docstring promises instead.

rest.py is the shortest one: 40 lines for the source of docs/adding-a-source.md. The cases then run as they are:
`pytest tests/ingestion/conformance -k NAME`.
"""
