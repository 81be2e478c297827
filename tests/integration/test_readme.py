"""The quick starts of the README, run as printed: only addresses and the place of credentials are those of the test."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from ops.stack import Ports, endpoints
from schemas.settings import Settings
from tests.integration.line import Line

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def quick_start(name: str, settings: Settings) -> str:
    """The code block that follows the marker, with this stack's addresses."""
    found = re.search(rf"<!-- quick start: {name} -->\n```python\n(.*?)```", README, re.DOTALL)
    assert found, f"the README has no quick start {name!r}"
    code = found.group(1)
    printed, here = Ports.from_base(19_090), Ports.from_base(settings.port_base)
    for part in ("kafka", "registry", "s3"):
        code = code.replace(f"127.0.0.1:{getattr(printed, part)}", f"127.0.0.1:{getattr(here, part)}")
    return code.replace('".tdc/', f'"{settings.home}/').replace("s3://tdc/tables", settings.storage_root())


def run_python(code: str, tmp_path: Path) -> str:
    """Run code as a foreign process would: from another folder, with no import path of this project."""
    script = tmp_path / "quick_start.py"
    script.write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TDC_SPOOL_DIRECTORY": str(tmp_path / "spool")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.integration
@pytest.mark.timeout(600)
def test_the_three_quick_starts_work_as_printed(line: Line, tmp_path: Path) -> None:
    store = endpoints(line.home)
    if store.s3_endpoint is None:
        pytest.skip("no object store on this machine: the third quick start reads from S3")
    # A prefix of its own: other tests of this stack may have tables of other topics at the usual place.
    settings = line.having(
        storage={
            "root": "s3://tdc/readme",
            "endpoint_url": store.s3_endpoint,
            "access_key_id": SecretStr(store.s3_access_key or ""),
            "secret_access_key": SecretStr(store.s3_secret_key or ""),
        }
    ).settings
    run_python(quick_start("produce", settings), tmp_path)
    done = line.tdc("run", "--until-idle", "--timeout", "120", seconds=180)
    assert done.returncode == 0, done.stdout + done.stderr + line.logs()
    consumed = run_python(quick_start("consume", settings), tmp_path)
    assert "agent_execution MarketResearch" in consumed
    assert "WebFetch" in consumed
    assert "conversation MarketResearch" in consumed
    queried = run_python(quick_start("query", settings), tmp_path)
    assert "agent_execution" in queried
    assert "MarketResearch" in queried
    assert re.search(r"^2$", queried, re.MULTILINE), queried
