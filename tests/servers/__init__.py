"""Real HTTP servers on 127.0.0.1 for the tests of feeds, with faults on demand.

How to use it
-------------
The fixture `fault_server` (tests/conftest.py) is a running `FaultServer`; further ones::

    from servers import Fault, FaultServer, Received, Reply

    def page(request: Received) -> Reply:                   # any protocol: a function from request to reply
        return Reply.json([{"id": 1}], headers={"X-Total": "1"})

    with FaultServer() as server:
        server.add("/resource/abcd-1234.json", page)        # exact path ...
        server.add("/rest/*", page)                         # ... or everything below it
        server.put("/crimes.csv", content)                  # a file: ETag, Last-Modified, Range, If-Range, 304
        server.faults += [Fault(status=503, headers={"Retry-After": "1"}), Fault(cut_after=1000)]
        policy = HttpPolicy(allow_private=(server.host,), requests_per_second=1000, back_off_s=0.01, timeout_s=2)
        ...
        assert [request.query["$offset"] for request in server.requests] == ["0", "2"]

Each request takes the next of `server.faults`; None stands for no fault. `server.fault_for` may be set to a function
from the request to a fault or None instead, such as ``RandomFaults(rng, share=0.3)``. `server.requests` logs what
arrived. `server.host` is ``127.0.0.1:<port>``, the form that ``allow_private`` takes; `server.url("/x")` the address.

Faults: a status with headers (429, 500, 503 with Retry-After), a redirect (``Fault(status=302, headers={"Location":
...})``), a body that is cut off (`cut_after` bytes), a body that drips (`drip_bytes` at a time, `drip_s` apart), a
long silence (`wait_s`), a connection closed without an answer (`hang_up`), a changed body (`body`, such as half of a
JSON text with a status of 200). `gzip_bomb(size)` makes a small body that unpacks to `size` bytes.
"""

from servers.fault_server import Fault, FaultServer, RandomFaults, Received, Reply, gzip_bomb

__all__ = ["Fault", "FaultServer", "RandomFaults", "Received", "Reply", "gzip_bomb"]
