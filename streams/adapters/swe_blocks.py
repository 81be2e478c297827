"""Commands in fenced blocks of SWE-agent's answers."""

import re

_FENCE = re.compile(r"^```(\S*)\s*\n|^```\s*$", re.MULTILINE)


def last_block(answer: str) -> str | None:
    """The last fenced block of an answer that lies in no other: what the parser of SWE-agent 0.x runs."""
    opened: list[re.Match[str]] = []
    found = None
    for fence in _FENCE.finditer(answer):
        if not opened or fence.group(1):
            opened.append(fence)
            continue
        start = opened.pop()
        if not opened:
            found = answer[start.end() : fence.start()]
    return found
