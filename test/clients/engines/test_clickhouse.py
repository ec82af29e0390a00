"""ClickHouse, within the process (chDB). It reads and writes tables on S3 only."""

import json
import re
from pathlib import Path

import pytest
from chdb.session import Session
from conftest import ORDERS, SETTINGS, rows
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

DOCS = Path(__file__).parents[3] / "docs" / "clients.md"
pytestmark = pytest.mark.skipif(SETTINGS["kind"] != "s3", reason="ClickHouse takes tables on S3 only from a REST catalog")


def documented() -> list[str]:
    """The guide's statements, with what the guide leaves to the reader filled in."""
    properties = SETTINGS["properties"]
    block = re.search(r"^## ClickHouse\n.*?^```sql\n(.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL)[1]
    for blank, value in {
        "http://127.0.0.1:8080": properties["uri"],
        "warehouse = 'lake'": f"warehouse = '{properties['warehouse']}'",
        "<token>": properties["token"],
    }.items():
        block = block.replace(blank, value)
    return [statement for statement in block.split(";") if statement.strip()]


@pytest.fixture(scope="module")
def session():
    with Session() as opened:
        for statement in documented():
            opened.query(statement)
        yield opened


def read(session: Session, query: str) -> list[dict]:
    return json.loads(str(session.query(query + " FORMAT JSON SETTINGS output_format_json_quote_64bit_integers = 0")))["data"]


def test_reads_what_pyiceberg_wrote(session: Session, orders: Table, namespace: str) -> None:
    assert read(session, f"SELECT * FROM lake.`{namespace}.orders` ORDER BY id") == ORDERS.to_pylist()


def test_reads_some_rows_and_counts(session: Session, orders: Table, namespace: str) -> None:
    assert read(session, f"SELECT id FROM lake.`{namespace}.orders` WHERE price > 2 ORDER BY id") == [{"id": 2}, {"id": 3}]
    assert read(session, f"SELECT count() AS n FROM lake.`{namespace}.orders`") == [{"n": 3}]


def test_lists_tables(session: Session, orders: Table, namespace: str) -> None:
    assert f"{namespace}.orders" in str(session.query("SHOW TABLES FROM lake", "TabSeparated")).split()


def test_inserts(session: Session, orders: Table, namespace: str) -> None:
    session.query(f"INSERT INTO lake.`{namespace}.orders` VALUES (4, 'pot', 8)")
    session.query(f"INSERT INTO lake.`{namespace}.orders` VALUES (5, NULL, 16), (6, 'jug', 32)")
    assert [(row["id"], row["item"]) for row in rows(orders)][3:] == [(4, "pot"), (5, None), (6, "jug")]
    assert read(session, f"SELECT count() AS n FROM lake.`{namespace}.orders`") == [{"n": 6}]


def test_sees_what_others_change(session: Session, orders: Table, namespace: str) -> None:
    query = f"SELECT count() AS n FROM lake.`{namespace}.orders`"
    assert read(session, query) == [{"n": 3}]
    orders.append(ORDERS)
    assert read(session, query) == [{"n": 6}]
