"""The filter: single lines of text or JSON."""

import json
from itertools import pairwise

from streams.core.redact.filter import line_spans, redact_line
from streams.core.redact.finding import Finding
from tests.unit.streams.redact.samples import NAMES


def test_the_filter_redacts_lines_of_text_and_of_json() -> None:
    line = redact_line('{"to": "a\\u0040b.example", "n": 1.50}\n', NAMES)
    assert line.endswith(', "n": 1.50}\n')
    assert json.loads(line)["to"].endswith("@redacted.invalid")
    assert redact_line("plain a@b.example\n", NAMES).startswith("plain user-")
    assert redact_line("\udcff nothing\n", NAMES) == "\udcff nothing\n"
    assert line_spans("x a@b.example") == [Finding("EMAIL", 2, 13)]


def test_spans_of_json_are_those_of_its_leaves_and_do_not_overlap() -> None:
    line = '{"name": {"first_name": "Zoë", "last_name": "Quist"}, "zip": "90210", "note": "Zo\\u00eb Quist, 90210"}'
    spans = line_spans(line)
    assert [(span.kind, line[span.start : span.end]) for span in spans] == [
        ("PERSON", "Zoë"),
        ("PERSON", "Quist"),
        ("ZIP", "90210"),
        ("PERSON", "Zo\\u00eb Quist"),
        ("ZIP", "90210"),
    ]
    assert all(one.end <= other.start for one, other in pairwise(spans))


def test_a_name_is_found_again_in_its_line() -> None:
    text = "My name is Ilse Vonderau. Ilse said so, ilse_vonderau_12 too."
    assert [text[span.start : span.end] for span in line_spans(text)] == ["Ilse Vonderau", "Ilse", "ilse_vonderau_12"]
