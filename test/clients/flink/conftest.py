"""Gives the Flink SQL gateway at PANGOLIN_FLINK_PORT the catalog `lake`, the one that the caller started: see suite.ts for
what PANGOLIN_TEST_CATALOG holds. The statement is one that docs/clients.md tells users to paste.
"""

import os
import re
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from started_catalog import PROPERTIES, SETTINGS, catalog, new_name, settings  # noqa: F401

DOCS = Path(__file__).parents[3] / "docs" / "clients.md"
LIMIT_SECONDS = 180


def documented() -> str:
    """The guide's statement for a local catalog or one on S3, with what the guide leaves to the reader filled in."""
    chapter = re.search(r"^## Flink\n(.*?)^## ", DOCS.read_text(), re.MULTILINE | re.DOTALL)[1]
    local, s3 = re.findall(r"^```sql\n(CREATE CATALOG.*?);\n```", chapter, re.MULTILINE | re.DOTALL)
    filled = s3 if SETTINGS["kind"] == "s3" else local
    for blank, value in {
        "http://127.0.0.1:8080": PROPERTIES["uri"],
        "'warehouse' = 'lake'": f"'warehouse' = '{PROPERTIES['warehouse']}'",
        "<token>": PROPERTIES["token"],
        "<username>": SETTINGS["username"],
        "<password>": SETTINGS["password"],
    }.items():
        filled = filled.replace(blank, value)
    assert "<" not in filled
    return filled


class FlinkError(Exception):
    """What the gateway says of a statement that failed, with all causes."""


class Session:
    def __init__(self, **settings: str):
        self.gateway = f"http://127.0.0.1:{os.environ['PANGOLIN_FLINK_PORT']}"
        # Statements that write are answered when their job has ended.
        properties = {"execution.runtime-mode": "batch", "table.dml-sync": "true", **settings}
        self.url = f"{self.gateway}/v1/sessions/{self.call('POST', '/v1/sessions', {'properties': properties})['sessionHandle']}"

    def call(self, method: str, url: str, body: dict | None = None) -> dict:
        answer = requests.request(method, url if url.startswith("http") else self.gateway + url, json=body, timeout=60)
        if not answer.ok:
            raise FlinkError("\n".join(answer.json()["errors"]))
        return answer.json()

    def sql(self, statement: str, rows: int | None = None) -> list[tuple]:
        """All rows, or, of a query that may never end, as many as asked for."""
        operation = f"{self.url}/operations/{self.call('POST', f'{self.url}/statements', {'statement': statement})['operationHandle']}"
        found, page, deadline = [], f"{operation}/result/0?rowFormat=JSON", time.monotonic() + LIMIT_SECONDS
        while rows is None or len(found) < rows:
            assert time.monotonic() < deadline, f"not done after {LIMIT_SECONDS} s: {statement}"
            answer = self.call("GET", page)
            if answer["resultType"] == "NOT_READY":
                time.sleep(0.05)
                continue
            found += [tuple(row["fields"]) for row in answer["results"]["data"]]
            if answer["resultType"] == "EOS":
                break
            page = self.gateway + answer["nextResultUri"]
        self.call("DELETE", f"{operation}/close")
        return found

    def close(self) -> None:
        self.call("DELETE", self.url)


Sql = Callable[..., list[tuple]]


@pytest.fixture(scope="session")
def session() -> Iterator[Session]:
    made = Session()
    made.sql(documented())
    made.sql("USE CATALOG lake")
    yield made
    made.close()


@pytest.fixture
def sql(session: Session) -> Sql:
    return session.sql


Connect = Callable[..., str]


@pytest.fixture
def connect(sql: Sql) -> Iterator[Connect]:
    """Makes a catalog that differs from `lake` in some properties."""
    made = []

    def make(**changes: str | None) -> str:
        name = f"c{uuid.uuid4().hex[:8]}"
        properties = {**dict(re.findall(r"'([^']+)' = '([^']*)'", documented())), **changes}
        given = ", ".join(f"'{key}' = '{value}'" for key, value in properties.items() if value is not None)
        sql(f"CREATE CATALOG {name} WITH ({given})")
        made.append(name)
        return name

    yield make
    for name in made:
        sql(f"DROP CATALOG {name}")


@pytest.fixture
def ns(sql: Sql, request: pytest.FixtureRequest) -> str:
    """A database that no other test knows."""
    name = new_name(request)
    sql(f"CREATE DATABASE lake.{name}")
    return name
