"""A small order database in SQLite, made from a seed, and the questions its customers ask. Stdlib only."""

import random
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from ops.demo.planted import EMAIL, PHONE

_MONTHS = ("01", "02", "03", "04", "05", "06")
_MONTH_NAMES = ("January", "February", "March", "April", "May", "June")
_NAMES = ("Maria Keller", "Jonas Brandt", "Ines Duarte", "Oskar Lind")
_ITEMS = ("shelf board", "wall bracket", "wood glue", "sanding belt", "door hinge")


@dataclass(frozen=True)
class Question:
    """What a customer wants to know, and what they meant by it."""

    email: str
    month: str
    month_name: str
    meant_without_returns: bool


def question(number: int) -> Question:
    """Question `number`: the same every time."""
    place = number % len(_MONTHS)
    return Question(
        email=customer_email(number), month=_MONTHS[place], month_name=_MONTH_NAMES[place],
        meant_without_returns=number % 3 != 0,
    )  # fmt: skip


def customer_email(number: int) -> str:
    """The planted address for the first customer, made-up ones for the others."""
    name = _NAMES[number % len(_NAMES)]
    return EMAIL if name == _NAMES[0] else f"{name.lower().replace(' ', '.')}@post.example"


def make_database(path: Path, seed: int) -> None:
    """Customers with orders of half a year; some orders were returned."""
    draw = random.Random(seed)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, email TEXT, phone TEXT)")
        connection.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, ordered_on TEXT, item TEXT, "
            "net_cents INTEGER, returned INTEGER)"
        )
        for number, name in enumerate(_NAMES):
            connection.execute(
                "INSERT INTO customers VALUES (?, ?, ?, ?)", (number + 1, name, customer_email(number), PHONE)
            )
        rows = [
            (customer, f"2026-{month}-{draw.randint(1, 28):02d}", draw.choice(_ITEMS), draw.randint(400, 9_000), back)
            for customer in range(1, len(_NAMES) + 1)
            for month in _MONTHS
            for back in (0, 0, 1)
        ]
        connection.executemany(
            "INSERT INTO orders (customer_id, ordered_on, item, net_cents, returned) VALUES (?, ?, ?, ?, ?)", rows
        )
    connection.close()


def run_sql(path: Path, sql: str) -> list[list[object]]:
    """Rows of a reading statement. Raises sqlite3.Error with the database's own words."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return [list(row) for row in connection.execute(sql).fetchmany(50)]
    finally:
        connection.close()


def true_answer(path: Path, asked: Question) -> int:
    """What the customer meant, in cents."""
    sql = (
        "SELECT coalesce(sum(net_cents), 0) FROM orders JOIN customers ON customers.id = customer_id "
        f"WHERE email = '{asked.email}' AND substr(ordered_on, 6, 2) = '{asked.month}'"
    )
    rows = run_sql(path, sql + (" AND returned = 0" if asked.meant_without_returns else ""))
    cents = rows[0][0]
    return cents if isinstance(cents, int) else 0
