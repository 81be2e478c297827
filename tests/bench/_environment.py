"""Environments of engines whose pins clash with ours: made once from pinned versions, kept beside the downloads."""

import hashlib
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

from ops.stack import default_cache
from ops.stack.cache import fetched

PEERS = Path(__file__).parent / "_peers"


def interpreter(name: str) -> Path:
    """The Python of the environment `name` of `_peers/pins.toml`. Raises CalledProcessError when it cannot be made."""
    pins: list[str] = tomllib.loads((PEERS / "pins.toml").read_text(encoding="utf-8"))[name]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    mark = hashlib.sha256("\n".join([version, *pins]).encode()).hexdigest()[:12]

    def fill(place: Path, say: object) -> None:
        print(f"making an environment for {name}: {' '.join(pins)}", file=sys.stderr)
        venv.create(place, with_pip=True)
        install = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, *pins], check=True, stdout=sys.stderr)

    place = fetched(default_cache() / "bench", f"{name}-{mark}", fill, lambda text: None)
    return place / "bin" / "python"
