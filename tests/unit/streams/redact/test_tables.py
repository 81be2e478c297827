"""Tables in text are read by the heads of their columns."""

from streams.core.redact.redactor import RULES_ALONE
from streams.core.redact.tables import in_tables

CSV = """id,first_name,last_name,email,phone,dob
17,Ngozi,Ezenwa,ngozi@ex.example,+2348035552219,1990-04-01
18,Pedro,"Quispe",pedro@ex.example,,1988-12-30
"""
MARKDOWN = """Here it is:

| service | name            | password   |
|---------|:----------------|------------|
| grafana | dashboards      | Gr4f-Zz81! |

and no more | of | that"""
PSQL = """ customer_name     |    ssn     | balance
-------------------+------------+---------
 Oluwaseun Adeyemi | 219099999 | 12.50
(1 row)
"""


def cells(text: str) -> list[tuple[str, str]]:
    return [(finding.kind, text[finding.start : finding.end]) for finding in in_tables(text)]


def test_cells_of_csv_are_what_their_heads_say() -> None:
    assert cells(CSV) == [
        ("PERSON", "Ngozi"), ("PERSON", "Ezenwa"), ("EMAIL", "ngozi@ex.example"), ("PHONE", "+2348035552219"),
        ("DATE_OF_BIRTH", "1990-04-01"), ("PERSON", "Pedro"), ("PERSON", "Quispe"), ("EMAIL", "pedro@ex.example"),
        ("DATE_OF_BIRTH", "1988-12-30"),
    ]  # fmt: skip


def test_rulers_and_what_is_around_a_table_are_passed_over() -> None:
    assert cells(MARKDOWN) == [("SECRET", "Gr4f-Zz81!")]
    assert cells(PSQL) == [("PERSON", "Oluwaseun Adeyemi"), ("SSN", "219099999")]


def test_a_name_is_a_persons_only_beside_columns_that_speak_of_people() -> None:
    assert cells("name,size\nBlue Lagoon,3\n") == []
    assert cells("name\temail\nAda Lovelace\tada@ex.example\n")[0] == ("PERSON", "Ada Lovelace")


def test_rows_of_another_width_end_a_table() -> None:
    assert cells("first_name,age\nNgozi,3\nWell, then, Ottokar\nPedro,4\n") == [("PERSON", "Ngozi")]


def test_a_sentence_is_no_head() -> None:
    assert cells("My name, as you know\nis, of course\n") == []


def test_what_a_table_says_is_found_in_text() -> None:
    found = {CSV[finding.start : finding.end] for finding in RULES_ALONE.finder.find(CSV)}
    assert {"Ngozi", "Ezenwa", "Pedro", "Quispe", "1990-04-01", "+2348035552219"} <= found
