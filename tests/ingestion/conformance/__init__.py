"""What every source must stand, whatever it reads from: the same cases, driven by one adapter a source.

A source that is declared alone (RestSource with RestStreams in pipeline.yml) joins by itself: rest.py. Any other joins
with a module here that derives `Adapter` (adapter.py) or, for an HTTP API, `HttpAdapter` (http_adapter.py), and its
class in `ADAPTERS` (conftest.py). The adapter says

- `document(thing)`: a record as the source shows it; somewhere in it stands `thing.mark`, by which the cases find in
  raw what they changed at the source;
- `answer(request)` for HTTP, `shown`, `fail` and `cut_off` for others: how records appear and how the source fails;
- `required`: a required text field, for drift; the hostile values of its `corpus` come as `thing.hole`;
- what the source cannot do (`tells_deletions`, `has_window`, ...), each with what its docstring promises instead, and
  in `exempt` the cases that cannot be asked of it, each with why.

shopify.py is the shortest one. `Room` (conftest.py) has what a test lends an adapter. The cases then run as they are:
`pytest tests/ingestion/conformance -k NAME`.
"""
