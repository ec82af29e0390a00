"""Connects the suite to the catalog that the caller started.

PANGOLIN_TEST_CATALOG holds a JSON object: `properties` (what `load_catalog` is given), and what single tests need:
`username`, `password`, `kind` of warehouse.
"""

import json
import os
import uuid

import pytest
from pyiceberg.catalog import Catalog, load_catalog

SETTINGS = json.loads(os.environ["PANGOLIN_TEST_CATALOG"])


def connect(**overrides: str) -> Catalog:
    """A session of its own, as another client would have it; an override of None leaves the property out."""
    properties = {**SETTINGS["properties"], **overrides}
    return load_catalog("pangolin", **{key: value for key, value in properties.items() if value is not None})


@pytest.fixture(scope="session")
def settings() -> dict:
    return SETTINGS


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return connect()


@pytest.fixture
def namespace(catalog: Catalog, request: pytest.FixtureRequest) -> tuple[str, ...]:
    """A namespace that no other test knows."""
    name = (f"{request.node.originalname.removeprefix('test_')[:40]}_{uuid.uuid4().hex[:8]}",)
    catalog.create_namespace(name)
    return name
