"""A TCP proxy that breaks what passes through it. A program: `proxy.py TARGET_PORT`, told what to do on stdin."""

import contextlib
import socket
import sys
import threading


class Proxy:
    """A TCP proxy on 127.0.0.1. `fault` may change at any time; it holds for new data and new connections.

    reset: connections are cut. unavailable: every request is answered 503. lost_answer: a request that holds
    `lost_after` reaches the server, but its answer is thrown away and the connection cut.
    """

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.fault = "none"
        self.lost_after = b""
        self.lost = 0
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Cut every open connection."""
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            self._open.add(client)
            try:
                if self.fault == "reset":
                    return
                with socket.create_connection(self._target) as server:
                    self._open.add(server)
                    state = {"lost": False}
                    back = threading.Thread(target=self._back, args=(server, client, state), daemon=True)
                    back.start()
                    self._forth(client, server, state)
                    self._open.discard(server)
                back.join(5)
            except OSError:
                pass
            finally:
                self._open.discard(client)

    def _forth(self, client: socket.socket, server: socket.socket, state: dict[str, bool]) -> None:
        while data := client.recv(65536):
            if self.fault == "reset":
                break
            if self.fault == "unavailable":
                client.sendall(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                break
            if self.fault == "lost_answer" and self.lost_after in data:
                state["lost"] = True
            server.sendall(data)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def _back(self, server: socket.socket, client: socket.socket, state: dict[str, bool]) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if state["lost"]:
                    self.lost += 1
                    self.fault = "none"
                    break
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)


def main() -> None:
    """Answer each line of stdin with one line."""
    proxy = Proxy(int(sys.argv[1]))
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "fault":
            proxy.fault = arguments[0]
            proxy.lost_after = arguments[1].encode()
            proxy.cut()
        print({"port": proxy.port, "lost": proxy.lost}.get(command, 0), flush=True)


if __name__ == "__main__":
    main()
