"""A worker whose stage hangs at the first message: `python -m tests.integration.stalling_worker assemble`."""

import asyncio
import sys
from typing import Any

from ops.cli.main import main
from streams.stages.assemble import AssembleStage


async def _hang(*_: Any) -> None:
    await asyncio.sleep(3600)


if __name__ == "__main__":
    AssembleStage.handle = _hang  # type: ignore[assignment,method-assign]
    sys.argv = ["tdc", "worker", sys.argv[1]]
    main()
