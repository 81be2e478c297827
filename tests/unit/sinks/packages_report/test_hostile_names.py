"""Names of scenarios, tools and models come from strangers: nothing in them becomes structure of a document."""

import json
import re
from collections import Counter

import msgspec
import pytest
import yaml
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from sinks.packages.facts import Count, Cross, PackageFacts, ProviderTerms, Tally, from_json
from sinks.packages.report import documents
from sinks.packages.report.escape import code, fenced, markdown, visible
from tests.unit.sinks.packages_report.samples import facts
from tests.unit.sinks.packages_report.test_documents import parsed

BASE = facts("1.1.0", facts("1.0.0", rows_by_split=(30, 5, 5)), rows_by_split=(40, 6, 6))
PIECES = (
    "<script>alert(1)</script>", "</td></table><h1>", "<!--", "]]>", "&lt;", "&#60;", "| a | b |", "\n# heading\n",
    "\n---\nlicense: mit\n", "```", "`", "**b**", "__", "[x](javascript:alert(1))", "![i](http://x/y)", "<http://x>",
    "https://evil.example", "\u202e", "\u2066", "\x00", "\x1b[31m", "\u2028", "'", '"', "\\", "{{ 7*7 }}", "{% raw %}",
    "%", ": ", "- ", "1. ", "+ ", "> ", "~~~", "    ", "\t", "عربي", "עברית", "🙂", "\ufeff", "*", "$x$", "-->",
    "!!python/object",
)  # fmt: skip
NAMES = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), min_size=1, max_size=5).map("".join).filter(bool)
TEXT = ("text", "code_inline", "softbreak", "text_special")
UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
MARKDOWN = MarkdownIt("commonmark").enable("table")


def named(name: str) -> PackageFacts:
    """The same package, with this name wherever a stranger may put one."""
    one = Tally(counts=(Count(name=name, count=40), Count(name="plain", count=12)))
    cross = Cross(rows=(name,), columns=("success", name), counts=((3, 4),))
    representation = tuple(
        msgspec.structs.replace(figure, largest=None if figure.largest is None else name, largest_share=0.9)
        for figure in BASE.representation
    )
    return msgspec.structs.replace(
        BASE,
        title=name,
        description=name,
        license=name,
        purpose=name,
        scenarios=one,
        tools=one,
        models=one,
        types=one,
        outcomes=one,
        consent_bases=one,
        redactions=one,
        policies=one,
        left_out=one,
        recipe=msgspec.structs.replace(BASE.recipe, name=name, text=f"{name}\n{name}"),
        scenario_outcomes=cross,
        model_outcomes=cross,
        scenario_scores=((name, 0.5),),
        representation=representation,
        terms=(ProviderTerms(provider=name, model=name, summary=name, restrictions=(name,), rows=1, reviewed=name),),
        history=(msgspec.structs.replace(BASE.history[0], why=name, notes=(name,)), *BASE.history[1:]),
    )


def blocks(text: str) -> list[str]:
    return [f"{token.type} {token.tag}" for token in MARKDOWN.parse(text)]


def inline(text: str) -> Counter[str]:
    found: list[Token] = [child for token in MARKDOWN.parse(text) for child in token.children or ()]
    return Counter(
        token.type for token in found if token.type not in ("text", "code_inline", "softbreak", "text_special")
    )


def body(card: str) -> str:
    return card.split("---\n", 2)[2]


PLAIN = {name: text.decode() for name, text in documents(named("a b"), BASE).items()}
PLAIN_PAGE = parsed(PLAIN["quality_report.html"])


@settings(max_examples=30, deadline=None)
@given(NAMES)
@example("".join(PIECES))
@example("\n---\nlicense: mit\n")
@example("1. ")
@example("``` ` `` ")
def test_a_name_changes_no_structure(name: str) -> None:
    hostile = named(name)
    made = {path: text.decode() for path, text in documents(hostile, BASE).items()}
    page = parsed(made["quality_report.html"])
    assert page.tags == PLAIN_PAGE.tags
    assert page.links == PLAIN_PAGE.links
    assert not page.handlers
    front = yaml.safe_load(made["README.md"].split("---\n")[1])
    assert set(front) - {"license_name"} == set(yaml.safe_load(PLAIN["README.md"].split("---\n")[1])) - {"license_name"}
    assert front["pretty_name"] == visible(name)
    for path in ("README.md", "schema.md", "usage_guidelines.md", "version_history.md"):
        ours, plain = (body(text[path]) if path == "README.md" else text[path] for text in (made, PLAIN))
        assert blocks(ours) == blocks(plain)
        assert inline(ours) == inline(plain)
    json.loads(made["croissant.json"])
    assert from_json(json.dumps(json.loads(made["quality_report.json"])["facts"]).encode()) == hostile
    for path, text in made.items():
        if path != "quality_report.json":
            assert not re.search(
                "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]", text
            )


@given(st.text(max_size=40))
def test_markdown_text_reads_as_the_text_it_was(text: str) -> None:
    assume(text)
    for shown in (markdown(text), code(text)):
        rendered = MARKDOWN.renderInline(f"x {shown} x")
        plain = re.sub("</?code>", "", rendered)
        assert "<" not in plain
        read = plain.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", '"').replace("&amp;", "&")
        assert re.sub("[\u200b\u2068\u2069]", "", read) == f"x {visible(text)} x"


@given(NAMES)
def test_a_block_ends_where_it_should(text: str) -> None:
    tokens = MARKDOWN.parse(f"{fenced(text, 'toml')}\n\nafter")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a\u202eb", "a⟨U+202E⟩b"), ("a\nb\t c", "a b c"), ("\x07", "⟨U+0007⟩"), ("café 你好 🙂", "café 你好 🙂")],
)
def test_what_cannot_be_seen_is_shown(name: str, shown: str) -> None:
    assert visible(name) == shown
