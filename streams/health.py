"""/livez, /readyz and /metrics of a worker."""

import asyncio

import faust
from aiohttp import web
from prometheus_client import generate_latest

from streams.metrics import REGISTRY
from streams.runtime import Runtime


def attach_health(app: faust.App, runtime: Runtime, host: str, port: int) -> None:
    """Serve the worker's health beside its stage."""

    async def livez(_: web.Request) -> web.Response:
        return web.Response(
            status=503 if runtime.watchdog.stalled else 200, text="stalled" if runtime.watchdog.stalled else "ok"
        )

    async def readyz(_: web.Request) -> web.Response:
        return web.Response(status=200 if runtime.ready else 503, text="ok" if runtime.ready else "no partitions yet")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(REGISTRY), content_type="text/plain", charset="utf-8")

    async def serve() -> None:
        site = web.Application()
        site.add_routes([web.get("/livez", livez), web.get("/readyz", readyz), web.get("/metrics", metrics)])
        runner = web.AppRunner(site, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        try:
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    app.task(serve)
