"""A small web server for the research agent: real HTTP on the loopback address, pages that answer and pages that fail.

`/search?q=N` lists the sources of subject N, `/SUBJECT-NUMBER/SOURCE` is a page, `/grade?subject=N&value=X` says how
good an answer is.
"""

import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from ops.demo.library import Source, Subject, failure_text, page, subject

_LONGEST_HANG_SECONDS = 3.0


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.closing = threading.Event()
        self._guard = threading.Lock()
        self._seen: set[tuple[str, str]] = set()

    def first_time(self, visitor: str, path: str) -> bool:
        """Whether this visitor asks for this page for the first time."""
        with self._guard:
            known = (visitor, path) in self._seen
            self._seen.add((visitor, path))
            return not known

    def handle_error(self, request: object, client_address: object) -> None:
        """Visitors that are killed or lose patience are part of the demo."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        try:
            if address.path == "/search":
                self._search(subject(int(query["q"])))
            elif address.path == "/grade":
                self._grade(subject(int(query["subject"])), query.get("value", ""))
            else:
                number, _, slug = address.path.strip("/").partition("/")
                about = subject(int(number))
                self._page(about, next(source for source in about.sources if source.slug == slug))
        except (KeyError, ValueError, StopIteration):
            self._send(404, "no such page")

    def _search(self, about: Subject) -> None:
        hits = [{"url": f"/{about.number}/{s.slug}", "publisher": s.publisher} for s in about.sources]
        self._send(200, json.dumps({"results": hits}), "application/json")

    def _grade(self, about: Subject, value: str) -> None:
        try:
            right = math.isclose(float(value), about.value, rel_tol=0.005)
        except ValueError:
            right = False
        self._send(200, json.dumps({"reward": 1.0 if right else 0.0}), "application/json")

    def _page(self, about: Subject, source: Source) -> None:
        visitor = self.headers.get("traceparent", "")[3:35]  # the trace id: one run of one agent
        match source.behaviour:
            case "hangs":
                self.server.closing.wait(_LONGEST_HANG_SECONDS)
                self._send(504, "gateway timeout")
            case "fails":
                self._send(500, failure_text(about))
            case "flaky" if self.server.first_time(visitor, self.path):
                self._send(500, failure_text(about))
            case "missing":
                self._send(404, "this article was withdrawn")
            case "blocked":
                self._send(403, "automated clients are not allowed here")
            case _:
                self._send(200, page(about, source), "text/html")

    def _send(self, status: int, text: str, kind: str = "text/plain") -> None:
        content = text.encode()
        try:
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            self.close_connection = True  # the visitor has gone

    def log_message(self, format: str, *args: object) -> None:
        """Silent: the traces tell what was fetched."""


@contextmanager
def serve_pages() -> Iterator[str]:
    """Serve the pages on a free port; gives the base URL."""
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="demo-pages")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
