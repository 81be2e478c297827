"""What kind of work a tool does, told from its name: the first word that a family knows decides.

    fetch, search, get, read, list, grep ...      information_gathering
    write, edit, patch; update + file ...         file_editing
    test, lint, verify, validate ...              verification
    summarize, analyze, translate, calculate ...  analysis
    book, order, cancel, refund, update ...       transaction
    send, reply, notify, respond ...              communication
    plan, think, todo, decide ...                 planning
    delegate, agent, task, transfer, handoff ...  delegation
    install, run, bash, python, execute ...       execution
    submit, finish, complete ...                  completion

A sequence is of the family most of its tools belong to; of equals, the one that comes first.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

OTHER = "other"

_FAMILIES: dict[str, str] = {
    "file_editing": "write writer edit editor patch replace insert append mkdir touch mv cp rm sed tee notebook",
    "verification": "test tests pytest unittest lint ruff flake8 mypy eslint tsc verify validate assert check review "
    "tox jest nox coverage diff",
    "information_gathering": "get fetch fetcher search searcher find finder read reader list lookup query browse "
    "browser web crawl scrape retrieve retrieval view show open goto scroll grep rg glob ls cat head tail wc tree "
    "find stat which pwd download curl wget navigate navigation select describe inspect load locate ask",
    "analysis": "summarize summarization summary analyze analyse analysis analyst translate translation classify "
    "extract compare rank score calculate calculator compute add subtract multiply divide sum average convert "
    "estimate estimates evaluate awk sort uniq jq math",
    "communication": "send reply respond notify message mail email post comment say speak call tell answer",
    "planning": "plan planner think thought todo decide schedule reason reflect brainstorm prioritize",
    "delegation": "delegate delegation agent agents subagent task transfer handoff hand escalate spawn dispatch",
    "completion": "submit finish complete completed done end exit stop terminate final",
    "transaction": "book order buy purchase pay refund cancel return exchange modify update create delete remove set "
    "change move reserve charge apply add assign close enable disable toggle grant revoke reset",
    "execution": "bash shell sh terminal run execute exec command python python3 node npm npx yarn pip uv make cargo "
    "go docker git install build compile start script code interpreter java",
}
_FAMILY_OF: dict[str, str] = {}
for _family, _words in _FAMILIES.items():
    for _word in _words.split():
        _FAMILY_OF.setdefault(_word, _family)

_FILE_WORDS = frozenset({"file", "files", "document", "doc", "cell", "directory", "folder"})
_HUMAN_WORDS = frozenset({"human", "agent", "agents", "operator", "person"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_PROGRAM = re.compile(r"\((.+)\)$")


@lru_cache(maxsize=4096)
def family_of(tool: str) -> str:
    """Family of a tool name, or of `bash(grep)`: then the program decides."""
    program = _PROGRAM.search(tool)
    if program:
        does = _FAMILY_OF.get(program.group(1), "execution")
        return "file_editing" if does == "transaction" else does  # what a shell creates is a file
    words = [word.lower() for word in _WORD.findall(tool)]
    if tool.startswith("mcp__"):  # mcp__server__tool
        words = [word.lower() for word in _WORD.findall(tool.split("__", 2)[-1])]
    for number, word in enumerate(words):
        found = _FAMILY_OF.get(word)
        if found is None or (word in _HUMAN_WORDS and number < len(words) - 1):
            continue
        if found == "transaction" and _FILE_WORDS & set(words):
            return "file_editing"
        return found
    return "file_editing" if {"file", "notebook"} & set(words) else OTHER


def pattern_type(tools: Sequence[str]) -> str:
    """Family of a sequence of tools."""
    counts = Counter(family_of(tool) for tool in tools)
    if len(counts) > 1:
        del counts[OTHER]
    return max(counts, key=lambda family: counts[family])  # of equals the first that was counted
