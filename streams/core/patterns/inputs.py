"""What tools are typically given, as shapes: never a value that a person may have written.

What is told of an argument is its name and one word of a closed list: the kind of site a URL leads to, the format and
place of a file, the program of a shell command, an option word; else the kind of its value. A word that is not on the
list is told only where the tool's own JSON schema declares it (`enum`). Names of arguments must look like names of
arguments; `mine` tells those only that several traces share.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice

import msgspec

from schemas.seed_text import nests_too_deep
from streams.core.patterns.families import family_of

MAX_ARGUMENTS = 12
"""Arguments of one call that are looked at."""
MAX_ARGUMENT_BYTES = 1_000_000
"""Longer argument texts are not parsed."""

LONGEST_WORD = 40
LONGEST_PATH = 400
_MAX_REMEMBERED_CHARS = 60
MAX_COMMAND = 400
"""Characters of a shell command that are looked at."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{0,39}\Z")
_OPTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+/\-]{0,39}\Z")
_URL = re.compile(r"(?:https?|wss?|ftp)://(?:[^/@\s]*@)?\[?([A-Za-z0-9.\-:]+)", re.IGNORECASE)
_ADDRESS = re.compile(r"[\d.]+(?::\d+)?\Z|[0-9a-f:]*:[0-9a-f:]*:[0-9a-f:]*\Z", re.IGNORECASE)
_PATH = re.compile(r"(?:[A-Za-z]:)?[^\s:*?\"<>|]{0,400}\.([A-Za-z0-9]{1,8})\Z")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d.*)?\Z")
_IDENTIFIER = re.compile(r"[\w\-.#:]*\d[\w\-.#:]*\Z")
_FIRST_PROGRAM = re.compile(r"(?:\s*(?:cd\s+\S+|export\s+\S+|source\s+\S+|set\s+\S+)\s*(?:&&|;|\n))*\s*(?:sudo\s+)?"
                            r"(?:[A-Z_]+=\S+\s+)*(?:timeout\s+\S+\s+)?(?:\S*/)?([A-Za-z0-9_.]+)")  # fmt: skip

_PROGRAM_PLACE = re.compile(r"(?:^|[|;&\n(])\s*([A-Za-z][A-Za-z0-9_.\-]*)")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SHELLS = _words("bash shell sh terminal zsh cmd powershell")
_SHELL_NAMES = _words(
    "run_command execute_command execute_bash bash_command run_shell_command local_shell shell_command"
)
_COMMAND_KEYS = ("command", "cmd", "script", "commands", "keystrokes")
PROGRAMS = _words(
    "git grep rg find ls cat head tail sed awk echo printf cd pwd mkdir rm mv cp touch chmod chown ln tee wc sort "
    "uniq diff patch tree stat file which env export source tar zip unzip gzip curl wget ssh scp ping python "
    "python3 pip pip3 pytest uv tox nox ruff mypy flake8 black node npm npx yarn pnpm tsc jest eslint cargo rustc "
    "go gcc make cmake java javac mvn gradle docker kubectl helm terraform aws gcloud gh jq sqlite3 psql mysql "
    "redis perl ruby php bash sh apt apt-get brew systemctl ps kill sleep date xargs cut tr str_replace_editor "
    "submit open edit create goto"
)

_FORMATS: dict[str, str] = {
    "md": "markdown", "markdown": "markdown", "rst": "restructuredtext", "txt": "text", "log": "log", "json": "json",
    "jsonl": "json_lines", "ndjson": "json_lines", "csv": "csv", "tsv": "csv", "xlsx": "spreadsheet",
    "xls": "spreadsheet", "parquet": "parquet", "xml": "xml", "yaml": "yaml", "yml": "yaml", "toml": "toml",
    "ini": "ini", "cfg": "ini", "conf": "ini", "env": "environment", "html": "html", "htm": "html", "css": "css",
    "pdf": "pdf", "docx": "word", "doc": "word", "pptx": "slides", "png": "image", "jpg": "image", "jpeg": "image",
    "gif": "image", "svg": "image", "mp3": "audio", "wav": "audio", "mp4": "video", "zip": "archive", "gz": "archive",
    "tar": "archive", "py": "python", "pyi": "python", "ipynb": "notebook", "js": "javascript", "mjs": "javascript",
    "jsx": "javascript", "ts": "typescript", "tsx": "typescript", "rs": "rust", "go": "go", "java": "java", "c": "c",
    "h": "c", "cpp": "cpp", "cc": "cpp", "hpp": "cpp", "cs": "csharp", "rb": "ruby", "php": "php", "swift": "swift",
    "kt": "kotlin", "scala": "scala", "sh": "shell", "sql": "sql", "lock": "lock_file", "proto": "protobuf",
    "diff": "patch", "patch": "patch",
}  # fmt: skip
_PLACES: dict[str, str] = {
    "test": "tests", "tests": "tests", "spec": "tests", "testing": "tests", "doc": "documentation",
    "docs": "documentation", "report": "reports", "reports": "reports", "analysis": "analysis", "data": "data",
    "dataset": "data", "datasets": "data", "raw": "raw_data", "config": "configuration", "configs": "configuration",
    "settings": "configuration", "src": "source_code", "lib": "source_code", "script": "scripts",
    "scripts": "scripts", "bin": "scripts", "example": "examples", "examples": "examples", "output": "outputs",
    "outputs": "outputs", "results": "outputs", "tmp": "temporary", "temp": "temporary", "log": "logs",
    "logs": "logs", "migrations": "migrations", "assets": "assets", "images": "assets", "templates": "templates",
    "workspace": "workspace", "node_modules": "dependencies", "vendor": "dependencies",
    "site-packages": "dependencies", ".github": "automation", "build": "build_files", "dist": "build_files",
}  # fmt: skip
_SITES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(rf"(?:^|\.)(?:{hosts})(?:[.:]|$)"))
    for kind, hosts in (
        ("code_repositories", r"github|githubusercontent|gitlab|bitbucket|sourceforge|codeberg"),
        ("package_registries", r"pypi|npmjs|crates|rubygems|nuget|mvnrepository|maven|hub\.docker"),
        ("search_engines", r"google|bing|duckduckgo|baidu|yandex"),
        ("encyclopedias", r"wikipedia|wikimedia|wikidata|britannica|fandom"),
        ("academic_sources", r"arxiv|doi|pubmed|semanticscholar|researchgate|edu|ac\.[a-z]{2}"),
        ("documentation", r"docs?|readthedocs|developers?|devdocs|manual|learn|mozilla"),
        ("questions_and_answers", r"stackoverflow|stackexchange|quora|superuser"),
        ("social_media", r"twitter|x\.com|facebook|instagram|linkedin|reddit|tiktok|youtube|mastodon"),
        ("news_articles", r"news|bbc|cnn|reuters|nytimes|theguardian|bloomberg|apnews|ft\.com|wsj"),
        ("government_websites", r"gov|mil|europa\.eu"),
        ("internal_addresses", r"localhost|local|internal|intranet|lan"),
        ("interfaces", r"api"),
        ("company_websites", r"com|io|ai|co|net|biz|inc"),
    )
)
OPTION_WORDS = _words(
    "asc desc ascending descending yes no on off none all any auto default low medium high critical normal json "
    "csv xml yaml markdown html text pdf metric imperial celsius fahrenheit day week month year hour daily weekly "
    "monthly pending in_progress completed cancelled failed open closed active inactive approved rejected view "
    "create str_replace insert undo_edit append overwrite read write update delete list search content count "
    "files_with_matches one_way round_trip economy basic_economy business first get post put patch head public "
    "private internal draft published credit_card gift_card certificate debit cash"
)

_NO_OPTIONS: frozenset[str] = frozenset()

Shape = tuple[str, str]
"""Name of the input, and the word told of it."""


def label_of(tool: str, parameters_json: str) -> str:
    """How a call is named in a sequence: its tool, and for a shell the program, `bash(grep)`, where it is known."""
    name = tool.lower()
    if name not in _SHELLS and name not in _SHELL_NAMES:
        return tool
    arguments = _object(parameters_json)
    for key in _COMMAND_KEYS:
        command = arguments.get(key)
        if isinstance(command, list):
            command = next((part for part in command if isinstance(part, str)), None)
        if isinstance(command, str):
            found = _FIRST_PROGRAM.match(command[:MAX_COMMAND])
            return f"{tool}({found.group(1)})" if found and found.group(1) in PROGRAMS else tool
    return tool


@lru_cache(maxsize=4096)
def _is_name(text: str) -> bool:
    return _NAME.match(text) is not None


def shapes_of(tool: str, parameters_json: str, declared_json: str | None) -> list[Shape]:
    """Shapes of the arguments of one call. `declared_json` is the JSON schema of the tool's parameters."""
    declared = _declared(declared_json) if declared_json else None
    found: list[Shape] = []
    for name, value in islice(_object(parameters_json).items(), MAX_ARGUMENTS):
        if value is None or not (name in declared if declared else _is_name(name)):
            continue
        if isinstance(value, str):
            _text_shapes(tool, name, value, declared[name] if declared else _NO_OPTIONS, found)
        elif isinstance(value, bool):
            found.append((name, "true" if value else "false"))
        elif isinstance(value, int | float):
            found.append((name, "number"))
        else:
            found.append((name, "list" if isinstance(value, list) else "object"))
    return found


def _text_shapes(tool: str, name: str, text: str, options: frozenset[str], found: list[Shape]) -> None:
    size = len(text)
    if size <= LONGEST_WORD and (text in options or text in OPTION_WORDS):
        found.append((name, text))
    elif name in _COMMAND_KEYS:
        programs = _PROGRAM_PLACE.findall(text[:MAX_COMMAND])
        found.extend(("commands", word) for word in dict.fromkeys(programs) if word in PROGRAMS and word != "cd")
    else:
        for slot, word in _short_words(text) if size <= _MAX_REMEMBERED_CHARS else _words_for(text):
            if slot == "file_formats" and family_of(tool) == "file_editing":
                slot = "output_formats"
            found.append((slot or name, word))


def _words_for(text: str) -> tuple[Shape, ...]:
    """What is told of a text: under the name of its argument where none is given."""
    if "://" in text[:10] and (url := _URL.match(text)):
        return (("url_patterns", _site(url.group(1).lower())),)
    size = len(text)
    if size <= LONGEST_PATH and "." in text[-9:] and (path := _PATH.match(text)):
        known = _FORMATS.get(path.group(1).lower())
        if known is None:
            return (("", "path" if "/" in text else _kind(text)),)
        place = _place(text)
        return (("file_formats", known),) if place is None else (("file_formats", known), ("file_structures", place))
    return (("", "path" if size <= LONGEST_PATH and "/" in text and " " not in text else _kind(text)),)


_short_words = lru_cache(maxsize=8192)(_words_for)
"""Ids, paths and dates come again in the calls of a trace and in the trials of a task."""


def _kind(text: str) -> str:
    if not text:
        return "empty"
    if text[4:5] == "-" and _DATE.match(text):
        return "date"
    if len(text) <= 80 and (text.isalpha() or len(text.split(None, 1)) == 1):
        return "identifier" if not text.isalpha() and _IDENTIFIER.match(text) else "word"
    if len(text) > 400:
        return "long_text"
    return "question" if text.rstrip().endswith("?") else "short_text"


def _site(host: str) -> str:
    if _ADDRESS.match(host):
        return "internal_addresses"
    return next((kind for kind, pattern in _SITES if pattern.search(host)), "other_websites")


def _place(path: str) -> str | None:
    """The innermost folder that says what it holds."""
    for part in reversed(path.replace("\\", "/").split("/")[:-1]):
        found = _PLACES.get(part.lower())
        if found:
            return found
    return None


def _object(text: str) -> Mapping[str, object]:
    if len(text) > MAX_ARGUMENT_BYTES or nests_too_deep(text):
        return {}
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


class _Property(msgspec.Struct, frozen=True):
    enum: tuple[object, ...] = ()


class _Parameters(msgspec.Struct, frozen=True):
    properties: dict[str, _Property] = {}


@lru_cache(maxsize=512)
def _declared(text: str) -> Mapping[str, frozenset[str]]:
    """Declared argument to the words it may be; the schema comes from the tool's maker, not from a person."""
    try:
        found = msgspec.json.decode(text, type=_Parameters)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return {
        name: frozenset(word for word in known.enum if isinstance(word, str) and _OPTION.match(word))
        for name, known in found.properties.items()
        if _NAME.match(name)
    }
