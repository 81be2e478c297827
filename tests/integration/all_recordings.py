"""What the default policy makes of all recorded runs: everything on, the model of names, near-duplicates, windows and
patterns, on a stack of its own. Prints the verdicts by format, whether the balance holds, and whether a second import
added anything, as JSON.

`python -m tests.integration.all_recordings [--seconds N]`; needs the recorded runs beside the checkout.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from ops.supervisor import Supervisor
from schemas.settings import Settings, load_settings
from tests.bench._stack import fresh_stack
from tests.integration.line import fresh_topics
from tests.integration.recorded import DATA, import_all, verdicts


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600, help="give up after so long")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        print(f"the recorded runs are not at {DATA}", file=sys.stderr)
        raise SystemExit(1)
    with fresh_stack() as (home, port_base), tempfile.TemporaryDirectory() as logs:
        settings = load_settings(home=home, port_base=port_base)
        fresh_topics(settings)
        with Supervisor(settings, Path(logs)) as pipeline:
            print(json.dumps(_measured(settings, pipeline, arguments.seconds), indent=1))


def _measured(settings: Settings, pipeline: Supervisor, seconds: float) -> dict[str, object]:
    began = time.monotonic()
    import_all(settings)
    imported = time.monotonic()
    print(f"imported in {imported - began:.0f} s", file=sys.stderr)
    first = pipeline.wait_until_idle(_tell, timeout_seconds=seconds)
    through = time.monotonic()
    found = verdicts(settings)
    import_all(settings)
    again = pipeline.wait_until_idle(timeout_seconds=seconds)
    return {
        "balanced": first.balanced and again.balanced,
        "second_import_added": {
            "traces": again.traces.assembled - first.traces.assembled,
            "events": again.events.assembled - first.events.assembled,
            "examples": again.examples.stored - first.examples.stored,
            "verdicts_changed": verdicts(settings) != found,
        },
        "seconds": {"import": round(imported - began, 1), "until_idle": round(through - imported, 1)},
        "status": first.to_json(),
        "formats": {name: asdict(one) for name, one in found.items()},
    }


def _tell(status: object) -> None:
    print(f"\r{status.traces.assembled} traces, lag {status.lag}   ", end="", file=sys.stderr)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
