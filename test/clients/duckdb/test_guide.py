"""What docs/clients.md tells users to paste."""

import re
from pathlib import Path
from urllib.parse import urlparse

import duckdb
import pytest
from started_catalog import PROPERTIES, SETTINGS

DOCS = Path(__file__).parents[3] / "docs" / "clients.md"
CHAPTER = re.search(r"^## DuckDB\n(.*?)^## ", DOCS.read_text(), re.MULTILINE | re.DOTALL)[1]
ATTACH, CREDENTIAL, STORAGE = re.findall(r"^```sql\n(.*?)^```", CHAPTER, re.MULTILINE | re.DOTALL)


def filled(block: str) -> str:
    host, port = urlparse(SETTINGS.get("storage", {}).get("endpoint", "http://127.0.0.1:1")).netloc.split(":")
    for blank, value in {
        "http://127.0.0.1:8080": PROPERTIES["uri"],
        "'lake' AS": f"'{PROPERTIES['warehouse']}' AS",
        "<token>": PROPERTIES["token"],
        "<username>": SETTINGS["username"],
        "<password>": SETTINGS["password"],
        "<access key>": "id",
        "<secret key>": "secret",
        "<host>": host,
        "<port>": port,
    }.items():
        block = block.replace(blank, value)
    assert "<" not in block
    return block


@pytest.mark.parametrize("way", ["token", "client credentials"])
def test_pasted(extensions, schema, way):
    connection = duckdb.connect(config={"extension_directory": str(extensions)})
    blocks = ATTACH
    if way == "client credentials":
        blocks = re.sub(r"CREATE SECRET lake .*\n", CREDENTIAL, ATTACH)
        assert "CLIENT_ID" in blocks and "TOKEN '" not in blocks
    connection.execute(filled(blocks))
    connection.execute(f"CREATE TABLE lake.{schema}.t AS SELECT 42 AS answer")
    connection.execute(f'CREATE SCHEMA lake."{schema}.europe"')
    assert connection.execute(f"SELECT answer FROM lake.{schema}.t").fetchall() == [(42,)]


def test_keys_of_its_own_are_understood(extensions):
    connection = duckdb.connect(config={"extension_directory": str(extensions)})
    connection.execute(filled(STORAGE))
    assert connection.execute("SELECT name FROM duckdb_secrets()").fetchall() == [("storage",)]
