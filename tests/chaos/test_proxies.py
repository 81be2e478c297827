"""The proxies break what they are told to break, and nothing else: a fault that does not strike proves nothing."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from tests.chaos.network import Network
from tests.unit.sinks.servers import free_port


class Store(BaseHTTPRequestHandler):
    """Takes everything, and remembers it."""

    protocol_version = "HTTP/1.1"
    taken: list[tuple[str, bytes]]

    def do_PUT(self) -> None:
        self.taken.append(("PUT", self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer(b"")

    def do_GET(self) -> None:
        self.taken.append(("GET", b""))
        self._answer(b"content")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Place:
    """A store behind the proxies."""

    def __init__(self) -> None:
        class Own(Store):
            taken: list[tuple[str, bytes]] = []  # noqa: RUF012

        self.taken = Own.taken
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Own)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.ports = {"s3": free_port(), "other": free_port()}
        self.network = Network({name: (port, self.server.server_port) for name, port in self.ports.items()})

    def put(self, way: str = "s3", *, conditional: bool = False, seconds: float = 5) -> int:
        headers = {"If-None-Match": "*"} if conditional else {}
        url = f"http://127.0.0.1:{self.ports[way]}/x"
        return requests.put(url, b"body", headers=headers, timeout=seconds).status_code

    def get(self) -> tuple[int, bytes]:
        answer = requests.get(f"http://127.0.0.1:{self.ports['s3']}/x", timeout=5)
        return answer.status_code, answer.content


@pytest.fixture(scope="module")
def whole() -> Iterator[Place]:
    made = Place()
    yield made
    made.network.close()
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def place(whole: Place) -> Place:
    whole.taken.clear()
    whole.network.hits.clear()
    return whole


def test_nothing_is_done_as_long_as_nothing_is_said(place: Place) -> None:
    assert (place.put(), place.put("other"), place.get()) == (200, 200, (200, b"content"))
    assert place.taken == [("PUT", b"body"), ("PUT", b"body"), ("GET", b"")]


@pytest.mark.parametrize("mode", ["500", "503"])
def test_an_error_is_answered_and_nothing_passed_on(place: Place, mode: str) -> None:
    with place.network.broken("s3", mode):
        assert (place.put(), place.get()[0]) == (int(mode), int(mode))
    assert place.taken == []
    assert place.network.hits == {f"{mode} s3": 2}
    assert place.put() == 200


def test_a_full_store_is_read_and_not_written(place: Place) -> None:
    with place.network.broken("s3", "full"):
        assert (place.put(), place.get()) == (500, (200, b"content"))


@pytest.mark.parametrize("mode", ["409", "412"])
def test_conditional_writes_alone_are_refused(place: Place, mode: str) -> None:
    with place.network.broken("s3", mode):
        assert (place.put(conditional=True), place.put(), place.get()[0]) == (int(mode), 200, 200)
    assert place.taken == [("PUT", b"body"), ("GET", b"")]


def test_a_write_is_done_and_refused_all_the_same(place: Place) -> None:
    with place.network.broken("s3", "412-after"):
        assert place.put(conditional=True) == 412
    assert place.taken == [("PUT", b"body")]


def test_a_write_is_done_and_its_answer_lost(place: Place) -> None:
    with place.network.broken("s3", "lost", seconds=0.1), pytest.raises(requests.ConnectionError):
        place.put()
    assert place.taken == [("PUT", b"body")]


def test_a_slow_way_delivers_late(place: Place) -> None:
    with place.network.broken("s3", "slow", seconds=0.5):
        with pytest.raises(requests.Timeout):
            place.put(seconds=0.2)
        assert place.put() == 200


@pytest.mark.parametrize("way", ["s3", "other"])
def test_a_cut_way_refuses_and_a_dropped_one_says_nothing(place: Place, way: str) -> None:
    with place.network.broken(way, "cut"), pytest.raises(requests.ConnectionError):
        place.put(way)
    with place.network.broken(way, "drop"), pytest.raises(requests.Timeout):
        place.put(way, seconds=0.3)
    assert place.network.hits.keys() == {f"cut {way}", f"drop {way}"}
    assert place.put(way) == 200


def test_a_share_of_the_requests_is_hit(place: Place) -> None:
    with place.network.broken("s3", "503", share=0.5):
        answers = [place.put() for _ in range(40)]
    assert 5 < answers.count(503) < 35
    assert set(answers) == {200, 503}
