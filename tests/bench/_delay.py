"""A TCP proxy that passes everything on later, each way, and a server that takes whatever is posted to it.

Programs: `python -m tests.bench._delay proxy LISTEN_PORT TARGET_PORT SECONDS` and `... _delay taker LISTEN_PORT`.
"""

import asyncio
import contextlib
import sys

HOST = "127.0.0.1"
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"


async def proxy(listen_port: int, target_port: int, seconds: float) -> None:
    """Serve for ever. Bytes keep their order, and their distance in time."""

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while data := await reader.read(2**16):
            loop.call_later(seconds, writer.write, data)
        loop.call_later(seconds, writer.close)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            back_reader, back_writer = await asyncio.open_connection(HOST, target_port)
            await asyncio.gather(late(reader, back_writer), late(back_reader, writer))

    async with await asyncio.start_server(serve, HOST, listen_port) as server:
        await server.serve_forever()


async def taker(listen_port: int) -> None:
    """Serve for ever: answer every POST with an empty 200."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length or b"0"))
                writer.write(_ANSWER)
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, HOST, listen_port) as server:
        await server.serve_forever()


def main() -> None:
    """Command line."""
    kind, *numbers = sys.argv[1:]
    with contextlib.suppress(KeyboardInterrupt):
        if kind == "proxy":
            asyncio.run(proxy(int(numbers[0]), int(numbers[1]), float(numbers[2])))
        else:
            asyncio.run(taker(int(numbers[0])))


if __name__ == "__main__":
    main()
