"""The documents of a package: whole, the same each time, and true to the facts."""

import fnmatch
import json
import re
from html.parser import HTMLParser

import msgspec
import pytest
import yaml

from sinks.packages.facts import Count, Cross, LeakProof, PackageFacts, RowChanges, Tally, from_json, tally
from sinks.packages.report import FactsCollector, documents
from sinks.packages.report.advice import biases, limits
from sinks.packages.report.figures import representation
from tests.unit.sinks.packages_report.samples import build, empty, facts, rows

NAMES = (
    "README.md",
    "croissant.json",
    "quality_report.html",
    "quality_report.json",
    "schema.md",
    "usage_guidelines.md",
    "version_history.md",
)
FACTS = facts()
DOCUMENTS = {name: text.decode() for name, text in documents(FACTS, None).items()}


def header(card: str) -> dict[str, object]:
    found = yaml.safe_load(card.split("---\n")[1])
    assert isinstance(found, dict)
    return found


class Page(HTMLParser):
    """Checks that elements are closed in order, and keeps what a page loads or shows."""

    VOID = frozenset({"meta", "br", "hr", "img", "link", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action", "xlink:href")]
        if tag not in self.VOID and not (self.get_starttag_text() or "").endswith("/>"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not (tag in ("rect", "line") and (not self.open or self.open[-1] != tag)):
            assert self.open, tag
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    assert not page.open
    return page


def test_every_document_is_there_and_says_no_time_but_that_of_the_data() -> None:
    assert tuple(sorted(DOCUMENTS)) == tuple(sorted(NAMES))
    for text in DOCUMENTS.values():
        assert set(re.findall(r"20\d\d-\d\d-\d\d", text)) <= {"2026-01-01", "2026-10-02", "2024-03-01"}
        assert text.endswith("\n")


def test_the_same_facts_give_the_same_bytes() -> None:
    assert documents(FACTS, None) == documents(facts(), None)
    assert documents(from_json(msgspec.json.encode(FACTS)), None) == documents(FACTS, None)


def test_the_card_has_a_header_with_the_files_of_one_reader() -> None:
    card = header(DOCUMENTS["README.md"])
    assert card["license"] == "unknown"
    assert card["size_categories"] == ["1K<n<10K"]
    configs = card["configs"]
    assert isinstance(configs, list)
    assert [config["config_name"] for config in configs] == ["parquet"]
    assert configs[0]["default"] is True
    assert [files["split"] for files in configs[0]["data_files"]] == ["train", "validation", "test"]
    patterns = {files["split"]: files["path"] for files in configs[0]["data_files"]}
    for file in FACTS.files:
        assert fnmatch.fnmatch(file.path, patterns[file.split]) == (file.format == "parquet")
    assert (
        'load_dataset("json", data_files={"train": ["jsonl/trl/train-00000-of-00001.jsonl"]' in DOCUMENTS["README.md"]
    )


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        (None, ("unknown", None)),
        ("Apache-2.0", ("apache-2.0", None)),
        ("LicenseRef-x: y", ("other", "LicenseRef-x: y")),
    ],
)
def test_the_licence_is_one_the_hub_knows(licence: str | None, expected: tuple[str, str | None]) -> None:
    card = header(documents(msgspec.structs.replace(FACTS, license=licence), None)["README.md"].decode())
    assert (card["license"], card.get("license_name")) == expected


def test_the_report_is_one_accessible_page_without_scripts_or_requests() -> None:
    page = parsed(DOCUMENTS["quality_report.html"])
    assert not {"script", "iframe", "img", "link", "object"} & set(page.tags)
    assert not page.handlers
    assert set(page.links) <= set(NAMES)
    html = DOCUMENTS["quality_report.html"]
    assert not re.search(r"url\(|@import|https?://", html)
    for figure in re.findall(r"<figure.*?</figure>", html, re.DOTALL):
        assert "<table>" in figure
        assert 'role="img" aria-label="' in figure
    assert page.tags.count("h1") == 1
    assert html.count('<html lang="en">') == 1


def test_the_report_shows_the_figures() -> None:
    text = " ".join(parsed(DOCUMENTS["quality_report.html"]).text)
    for shown in (
        "1,120",
        "airline-rebooking",
        "claude-sonnet-4-5",
        "negative_outcome",
        "PERSON",
        "cluster_cap",
        "clean",
    ):
        assert shown in text
    for count in FACTS.scenarios.counts:
        assert count.name in text


def test_a_leak_is_shouted() -> None:
    leaky = msgspec.structs.replace(FACTS, leaks=LeakProof(clusters=5, clusters_in_two_splits=2))
    made = documents(leaky, None)
    assert "LEAK" in made["quality_report.html"].decode()
    assert "LEAK" not in DOCUMENTS["quality_report.html"]
    assert json.loads(made["quality_report.json"])["leak_free"] is False
    assert "2 of 5 clusters" in made["README.md"].decode()


def test_bars_are_as_long_as_their_counts() -> None:
    html = DOCUMENTS["quality_report.html"]
    most, second = FACTS.models.counts[0].count, FACTS.models.counts[1].count
    row = html[html.index("<bdi>gpt-4.1</bdi>") :]
    assert f'<rect class="bar" width="{100 * second / most:.2f}"' in row[: row.index("</tr>")]
    plot = html[html.index("<h3>Quality score</h3>") :]
    plot = plot[: plot.index("</svg>")]
    tall = [float(found) for found in re.findall(r'class="bar".*?height="([\d.]+)"', plot)]
    counts = FACTS.scores.histogram.counts
    assert len(tall) == len(counts)
    for height, count in zip(tall, counts, strict=True):
        assert height == pytest.approx(max(tall) * count / max(counts), abs=0.02)


def test_the_json_report_holds_all_facts() -> None:
    found = json.loads(DOCUMENTS["quality_report.json"])
    assert from_json(json.dumps(found["facts"]).encode()) == FACTS
    assert found["simulation_share"] == round(FACTS.simulation_share, 6)
    assert found["leak_free"] is True


def test_the_schema_names_every_column_with_its_unit() -> None:
    for column in FACTS.columns:
        assert f"| `{column.name}` | `{column.type}` |" in DOCUMENTS["schema.md"]
    assert "| quality | 0 to 1 |" in DOCUMENTS["schema.md"]


def test_guidelines_tell_the_simulation_share_and_the_terms_of_each_model() -> None:
    text = DOCUMENTS["usage_guidelines.md"]
    assert "14.5 % of the rows come from SIMULATION runs" in text
    assert "| anthropic |" in text
    assert "For 110 rows no terms are known" in text
    assert "internal-research" in text


def test_lopsided_packages_say_so() -> None:
    cross = Cross(rows=("hopeless", "fine", "rare"), columns=("success", "failure"), counts=((2, 38), (30, 10), (0, 3)))
    lopsided = msgspec.structs.replace(
        FACTS,
        scenario_outcomes=cross,
        scripts=tally({"Latin": 1_120}),
        representation=(
            representation("scenario", tally({"a": 1, "b": 1})),
            representation("model", Tally(counts=(Count(name="m", count=6),), other=4)),
            representation("tool", Tally(counts=(Count(name="t", count=4),), other=6)),
            representation("task", tally({"1": 3, "2": 3, "3": 3}), named=False),
        ),
    )
    assert biases(lopsided) == [
        "One model makes up 60 % of the rows: m.",
        "Few tasks: rows are spread as if over 3 tasks of equal size. A model may learn these tasks rather than the "
        "skill.",
        "Scenarios where few rows end well: hopeless (5 %).",
        "All texts are written in Latin letters: nothing is shown of other writing systems.",
    ]
    for path in ("README.md", "usage_guidelines.md", "quality_report.html", "croissant.json"):
        assert "hopeless (5 %)" in documents(lopsided, None)[path].decode().replace("&#40;", "(").replace("&#41;", ")")


def test_limits_are_told_for_small_splits_unknown_ends_and_a_missing_licence() -> None:
    told = limits(facts(rows_by_split=(200, 20, 0)))
    assert "The split validation has 20 rows: figures on it vary widely by chance." in told
    assert "The split test is empty." in told
    assert any(text.startswith("No licence is stated.") for text in told)
    assert any("nobody knows how the step ended" in text for text in told)
    assert not any("licence" in text for text in limits(msgspec.structs.replace(FACTS, license="MIT")))


def test_jsonl_shapes_state_their_types_to_the_hub_reader() -> None:
    only = tuple(file for file in FACTS.files if file.format == "jsonl/trl")
    card = header(documents(msgspec.structs.replace(FACTS, files=only), None)["README.md"].decode())
    assert card["dataset_info"] == [
        {
            "config_name": "jsonl-trl",
            "features": [{"name": "messages", "dtype": "json"}, {"name": "tools", "dtype": "json"}],
        }
    ]


def test_history_goes_on_from_version_to_version() -> None:
    first = facts("1.0.0", rows_by_split=(700, 90, 100))
    second = facts("1.1.0", first)
    why, changes = "The scorer was wrong.", RowChanges(removed=9)
    later = msgspec.structs.replace(build("2.0.0", second), why=why, row_changes=changes)
    collector = FactsCollector()
    collector.add(rows(800, scenarios=("airline-rebooking", "brand-new")), "train")
    third = collector.facts(later)
    assert [entry.version for entry in third.history] == ["2.0.0", "1.1.0", "1.0.0"]
    assert first.history[0].kinds == ("first",)
    assert second.history[0].changes == RowChanges(added=140, removed=4, changed=11, kept=965)
    assert "New scenarios: brand-new." in third.history[0].notes
    assert "removed" in third.history[0].kinds
    text = documents(third, second)["version_history.md"].decode()
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## 2.0.0 (2026-01-01)",
        "## 1.1.0 (2026-01-01)",
        "## 1.0.0 (2026-01-01)",
    ]
    assert "The scorer was wrong." in text
    assert "| Rows | 1,120 | 800 |" in text


def test_a_version_in_which_nothing_changed_says_so() -> None:
    first = facts("1.0.0")
    again = msgspec.structs.replace(build("1.0.1", first), row_changes=RowChanges(kept=1_120))
    collector = FactsCollector()
    for number, (split, count) in enumerate((("train", 900), ("validation", 100), ("test", 120))):
        collector.add(rows(count, seed=number + 1), split)
    assert collector.facts(again).history[0].kinds == ("unchanged",)


@pytest.mark.parametrize("case", ["empty", "one model", "an empty split"])
def test_odd_packages_have_whole_documents(case: str) -> None:
    odd = {"empty": empty(), "one model": one_row(), "an empty split": facts(rows_by_split=(50, 0, 3))}
    made = odd[case]
    texts = {name: text.decode() for name, text in documents(made, None).items()}
    parsed(texts["quality_report.html"])
    header(texts["README.md"])
    assert json.loads(texts["croissant.json"])["@type"] == "sc:Dataset"
    shown = "\n".join(text for name, text in texts.items() if name.endswith(".md"))
    assert "None" not in re.sub(r"None\.|\bNone of", "", shown)
    assert "nan" not in shown.lower().split()
    if case == "an empty split":
        assert "The split validation is empty." in texts["usage_guidelines.md"]


def one_row() -> PackageFacts:
    collector = FactsCollector()
    collector.add(rows(1), "train")
    return collector.facts(build(rows_by_split=(1, 0, 0)))


def test_no_table_has_a_header_that_says_blank() -> None:
    for name in ("README.md", "schema.md", "usage_guidelines.md", "version_history.md"):
        assert "⟨blank⟩" not in DOCUMENTS[name]
