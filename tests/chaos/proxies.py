"""Proxies between the workers and their servers, which break what passes through them. A program: see `network.py`.

Arguments: `name:kind:listen_port:target_port`..., kind `tcp` or `s3`. One command a line on stdin, as JSON
`{"name", "mode", "share", "seconds"}`; the answer is one line, the number of times the mode before it struck.

Modes of every proxy:
- pass: nothing is done
- cut: connections are reset, and new ones too
- drop: nothing gets through, nobody is told; what was sent arrives when it is over

Modes of an S3 proxy, each for `share` of the requests:
- 500, 503: answered so, and not passed on
- full: 500 for what writes, as from a server whose disk is full
- slow: passed on after `seconds`
- lost: passed on, and the answer is thrown away after `seconds`
- 409, 412: conditional writes are answered so, and not passed on
- 412-after: conditional writes are passed on, and then answered 412, as after a repetition by the client
"""

import asyncio
import contextlib
import json
import random
import sys
from dataclasses import dataclass, field

HOST = "127.0.0.1"
_CODES = {
    "500": ("500 Internal Server Error", "InternalError"),
    "503": ("503 Service Unavailable", "SlowDown"),
    "full": ("500 Internal Server Error", "InternalError"),
    "409": ("409 Conflict", "ConditionalRequestConflict"),
    "412": ("412 Precondition Failed", "PreconditionFailed"),
    "412-after": ("412 Precondition Failed", "PreconditionFailed"),
}


@dataclass
class Proxy:
    """One listener and what it does at the moment."""

    target_port: int
    random: random.Random
    mode: str = "pass"
    share: float = 1.0
    seconds: float = 0.0
    struck: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _free: asyncio.Event = field(default_factory=asyncio.Event)

    def set(self, mode: str, share: float, seconds: float) -> int:
        """Change the mode; returns how often the one before struck."""
        struck, self.struck = self.struck, 0
        self.mode, self.share, self.seconds = mode, share, seconds
        if mode == "drop":
            self._free.clear()
        else:
            self._free.set()
        if mode == "cut":
            for writer in list(self._open):
                writer.transport.abort()
                self.struck += 1
        return struck

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self._open.add(writer)
        try:
            if self.mode == "cut":
                self.struck += 1
                writer.transport.abort()
                return
            await self._pass()
            back_reader, back_writer = await asyncio.open_connection(HOST, self.target_port, limit=2**20)
            self._open.add(back_writer)
            try:
                await self._between(reader, writer, back_reader, back_writer)
            finally:
                self._open.discard(back_writer)
                back_writer.transport.abort()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass
        finally:
            self._open.discard(writer)
            with contextlib.suppress(OSError):
                writer.close()

    async def _between(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        back_reader: asyncio.StreamReader,
        back_writer: asyncio.StreamWriter,
    ) -> None:
        """Both ways until one side ends."""
        ways = [
            asyncio.create_task(self._way(reader, back_writer)),
            asyncio.create_task(self._way(back_reader, writer)),
        ]
        _, left = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in left:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)

    async def _way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(2**16):
            await self._pass()
            writer.write(data)
            await writer.drain()

    async def _pass(self) -> None:
        if self.mode == "drop":
            self.struck += 1
            await self._free.wait()


class S3Proxy(Proxy):
    """Knows requests from answers."""

    async def _between(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        back_reader: asyncio.StreamReader,
        back_writer: asyncio.StreamWriter,
    ) -> None:
        while True:
            head, headers = await _head(reader)
            method = head.split(b" ", 1)[0]
            request = head + await _body(reader, headers)
            mode = self._strikes(method, headers)
            if mode in ("500", "503", "409", "412", "full"):
                await _answer(writer, mode)
                continue
            if mode == "slow":
                await asyncio.sleep(self.seconds)
            await self._pass()
            back_writer.write(request)
            await back_writer.drain()
            answer, answer_headers = await _head(back_reader)
            if method != b"HEAD" and answer.split(b" ", 2)[1] not in (b"204", b"304"):
                answer += await _body(back_reader, answer_headers)
            await self._pass()
            if mode == "lost":
                await asyncio.sleep(self.seconds)
                return
            if mode == "412-after":
                await _answer(writer, mode)
                continue
            writer.write(answer)
            await writer.drain()
            if answer_headers.get(b"connection", b"").lower() == b"close":
                return

    def _strikes(self, method: bytes, headers: dict[bytes, bytes]) -> str:
        """The mode, where this request is one that it is for."""
        mode = self.mode
        if mode in ("pass", "cut", "drop") or self.random.random() >= self.share:
            return "pass"
        if mode in ("409", "412", "412-after") and not (method == b"PUT" and b"if-none-match" in headers):
            return "pass"
        if mode == "full" and method not in (b"PUT", b"POST"):
            return "pass"
        self.struck += 1
        return mode


async def _head(reader: asyncio.StreamReader) -> tuple[bytes, dict[bytes, bytes]]:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.split(b"\r\n")[1:-2]
    pairs = (line.partition(b":") for line in lines)
    return head, {name.strip().lower(): value.strip() for name, _, value in pairs}


async def _body(reader: asyncio.StreamReader, headers: dict[bytes, bytes]) -> bytes:
    if headers.get(b"transfer-encoding", b"").lower() != b"chunked":
        return await reader.readexactly(int(headers.get(b"content-length", b"0")))
    parts = []
    while True:
        line = await reader.readuntil(b"\r\n")
        parts.append(line)
        size = int(line.split(b";")[0], 16)
        parts.append(await reader.readexactly(size + 2))
        if size == 0:
            return b"".join(parts)


async def _answer(writer: asyncio.StreamWriter, mode: str) -> None:
    status, code = _CODES[mode]
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>by the proxy</Message></Error>"
    writer.write(
        f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    await writer.drain()


async def _main(arguments: list[str]) -> None:
    proxies: dict[str, Proxy] = {}
    for number, argument in enumerate(arguments):
        name, kind, port, target = argument.split(":")
        proxies[name] = (S3Proxy if kind == "s3" else Proxy)(int(target), random.Random(number))
        proxies[name].set("pass", 1.0, 0.0)
        await asyncio.start_server(proxies[name].serve, HOST, int(port), limit=2**20)
    stdin = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    print("ready", flush=True)
    while line := await stdin.readline():
        order = json.loads(line)
        print(proxies[order["name"]].set(order["mode"], order["share"], order["seconds"]), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1:]))
