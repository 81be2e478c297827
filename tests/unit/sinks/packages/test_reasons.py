"""Every code that a manifest may hold is told in words."""

import re
from pathlib import Path

from sinks.packages import recipe, select
from sinks.packages.reasons import LEFT_OUT, UNFIT

CODE = re.compile(r"""["']([a-z]+(?:_[a-z]+)+)["']""")


def test_every_reason_of_a_shape_has_words() -> None:
    folder = Path(recipe.__file__).parent / "formats"
    lines = [line for path in folder.rglob("*.py") for line in path.read_text().splitlines() if "Unfit(" in line]
    codes = {code for line in lines for code in CODE.findall(line)}
    assert codes
    assert codes | {"unreadable_json"} == set(UNFIT)


def test_every_reason_of_the_selection_has_words() -> None:
    text = Path(select.__file__).read_text()
    gates = set(re.findall(r"\"'([a-z_]+)'\"", text))
    drops = set(re.findall(r"_drop\(\s*\"([a-z_]+)\"", text))
    caps = {f"cap_{name}" for name in recipe.Balance.__struct_fields__}
    assert gates | drops | caps <= set(LEFT_OUT)
    assert "near_duplicate" in drops
