"""Connects engines that read Iceberg in their own way to the catalog that the caller started.

PANGOLIN_TEST_CATALOG: see ../pytest.ts. PyIceberg makes the tables and is the second opinion on what was written.
"""

import json
import os
import uuid

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.table import Table

SETTINGS = json.loads(os.environ["PANGOLIN_TEST_CATALOG"])

ORDERS = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int64()),
        "item": pa.array(["tea", "cup", None], pa.string()),
        "price": pa.array([1.5, 2.25, 4.0], pa.float64()),
    }
)


@pytest.fixture(scope="session")
def settings() -> dict:
    return SETTINGS


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load_catalog("pangolin", **SETTINGS["properties"])


@pytest.fixture
def namespace(catalog: Catalog) -> str:
    """One that no other test knows."""
    name = f"engines_{uuid.uuid4().hex[:8]}"
    catalog.create_namespace(name)
    return name


@pytest.fixture
def orders(catalog: Catalog, namespace: str) -> Table:
    """Three rows, written by PyIceberg in two commits."""
    table = catalog.create_table((namespace, "orders"), ORDERS.schema)
    table.append(ORDERS.slice(0, 2))
    table.append(ORDERS.slice(2))
    return table


def rows(table: Table) -> list[dict]:
    """As the catalog has it now, and PyIceberg reads it."""
    return table.refresh().scan().to_arrow().sort_by("id").to_pylist()
