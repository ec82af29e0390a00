"""Connects DuckDB to the catalog that the caller started: see suite.ts for what PANGOLIN_TEST_CATALOG holds.

The extensions come from wheels. They are laid out as if DuckDB had installed them, so that the statements which users
paste, INSTALL included, run unchanged and without a download.
"""

import importlib
from pathlib import Path

import duckdb
import pytest
from pyiceberg.catalog import Catalog
from started_catalog import PROPERTIES, catalog, new_name, settings  # noqa: F401

TOKEN = f"TOKEN '{PROPERTIES['token']}'"


class Duck:
    """A DuckDB of its own, as another process would have it."""

    def __init__(self, extensions: Path) -> None:
        self.connection = duckdb.connect(config={"extension_directory": str(extensions)})
        self("INSTALL iceberg; LOAD iceberg; LOAD httpfs")

    def __call__(self, statement: str) -> list[tuple]:
        return self.connection.execute(statement).fetchall()

    def attach(self, *options: str, name: str = "lake", warehouse: str = PROPERTIES["warehouse"]) -> "Duck":
        endpoint = f"ENDPOINT '{PROPERTIES['uri']}'"
        self(f"ATTACH '{warehouse}' AS {name} ({', '.join(['TYPE iceberg', endpoint, *options])})")
        return self

    def tables(self, schema: str) -> list[str]:
        found = self(
            f"""SELECT table_name FROM information_schema.tables
            WHERE table_catalog = 'lake' AND table_schema = '{schema}' ORDER BY ALL"""
        )
        return [name for (name,) in found]


@pytest.fixture(scope="session")
def extensions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("extensions")
    (platform,) = duckdb.execute("PRAGMA platform").fetchone()
    folder = root / f"v{duckdb.__version__}" / platform
    folder.mkdir(parents=True)
    for name in ("avro", "httpfs", "iceberg"):
        wheel = Path(importlib.import_module(f"duckdb_extension_{name}").__file__).parent
        (binary,) = wheel.rglob("*.duckdb_extension")
        (folder / binary.name).symlink_to(binary)
    return root


@pytest.fixture
def duckdb_process(extensions: Path) -> Duck:
    """Attached to nothing."""
    return Duck(extensions)


@pytest.fixture(scope="session")
def duck(extensions: Path) -> Duck:
    """Loading the extensions takes most of a second, so tests that need no process of their own share two."""
    return Duck(extensions).attach(TOKEN)


@pytest.fixture(scope="session")
def other_duck(extensions: Path) -> Duck:
    return Duck(extensions).attach(TOKEN)


@pytest.fixture
def schema(catalog: Catalog, request: pytest.FixtureRequest) -> str:
    """A namespace that no other test knows."""
    name = new_name(request)
    catalog.create_namespace(name)
    return name
