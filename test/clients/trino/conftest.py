"""Tells the Trino at PANGOLIN_TRINO_PORT of the catalog `lake`, the one that the caller started: see suite.ts for what
PANGOLIN_TEST_CATALOG holds. Its properties are the ones that docs/clients.md tells users to set.
"""

import os
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trino.dbapi
from started_catalog import PROPERTIES, SETTINGS, catalog, new_name, settings  # noqa: F401

DOCS = Path(__file__).parents[3] / "docs" / "clients.md"


def documented() -> dict[str, str]:
    """The properties of the guide's blocks, with what the guide leaves to the reader filled in."""
    chapter = re.search(r"^## Trino\n(.*?)^## ", DOCS.read_text(), re.MULTILINE | re.DOTALL)[1]
    base, local, s3 = re.findall(r"^```properties\n(.*?)^```", chapter, re.MULTILINE | re.DOTALL)
    filled = base + (s3 if SETTINGS["kind"] == "s3" else local)
    storage = SETTINGS.get("storage", {})
    for blank, value in {
        "http://127.0.0.1:8080": PROPERTIES["uri"],
        "warehouse=lake\n": f"warehouse={PROPERTIES['warehouse']}\n",
        "<token>": PROPERTIES["token"],
        "http://127.0.0.1:9000": storage.get("endpoint"),
        "us-east-1": storage.get("region"),
    }.items():
        filled = filled.replace(blank, value or "")
    assert "<" not in filled
    return dict(line.split("=", 1) for line in filled.splitlines())


Sql = Callable[[str], list[tuple]]


@pytest.fixture(scope="session")
def run() -> Sql:
    connection = trino.dbapi.connect(host="127.0.0.1", port=int(os.environ["PANGOLIN_TRINO_PORT"]), user="ada")

    def statement(text: str) -> list[tuple]:
        cursor = connection.cursor()
        cursor.execute(text)
        return [tuple(row) for row in cursor.fetchall()]

    return statement


Connect = Callable[..., str]


def create_catalog(run: Sql, name: str, properties: dict[str, str | None]) -> None:
    """As a file with these lines in Trino's `etc/catalog` would."""
    given = {key: value for key, value in properties.items() if value is not None}
    connector = given.pop("connector.name")
    quoted = ", ".join(f"\"{key}\" = '{value}'" for key, value in given.items())
    run(f"CREATE CATALOG {name} USING {connector} WITH ({quoted})")


@pytest.fixture(scope="session", autouse=True)
def lake(run: Sql) -> Iterator[None]:
    create_catalog(run, "lake", documented())
    yield
    run("DROP CATALOG lake")


@pytest.fixture
def connect(run: Sql) -> Iterator[Connect]:
    """Makes a catalog that differs from `lake` in some properties, which lose the beginning that most share."""
    made = []

    def make(**changes: str | None) -> str:
        name = f"c{uuid.uuid4().hex[:8]}"
        full = {key if key.startswith(("fs.", "s3.", "iceberg.")) else f"iceberg.rest-catalog.{key}": value for key, value in changes.items()}
        create_catalog(run, name, {**documented(), **full})
        made.append(name)
        return name

    yield make
    for name in made:
        run(f"DROP CATALOG {name}")


@pytest.fixture
def sql(run: Sql) -> Sql:
    return run


@pytest.fixture
def ns(sql: Sql, request: pytest.FixtureRequest) -> str:
    """A schema that no other test knows."""
    name = new_name(request).lower()
    sql(f"CREATE SCHEMA lake.{name}")
    return name
