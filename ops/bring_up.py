"""The local stack with everything on it that the stages expect: topics and schemas."""

from rich.console import Console

from ops import stack
from schemas.registry import RegistryClient
from schemas.settings import Settings
from streams.kafka import ensure_topics


def bring_up(settings: Settings, console: Console, *, s3: bool | None = None) -> list[stack.PartStatus]:
    """Start the stack, create topics and register schemas; says on `console` what it is doing."""
    with console.status("starting the local stack") as status:

        def progress(part: str, message: str) -> None:
            status.update(f"{part}: {message}")
            console.print(f"[dim]{part}: {message}[/dim]")

        rows = stack.up(settings.home, settings.port_base, progress=progress, with_s3=s3)
        status.update("topics and schemas")
        prepare(settings)
    return rows


def prepare(settings: Settings) -> None:
    """Make sure of topics and registered schemas."""
    ensure_topics(settings)
    RegistryClient.from_settings(settings).register_all()
