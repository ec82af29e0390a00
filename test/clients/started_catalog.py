"""The catalog that the caller of a suite started: see suite.ts for what PANGOLIN_TEST_CATALOG holds."""

import json
import os
import uuid

import pytest
from pyiceberg.catalog import Catalog, load_catalog

SETTINGS = json.loads(os.environ["PANGOLIN_TEST_CATALOG"])
PROPERTIES = SETTINGS["properties"]


def new_name(request: pytest.FixtureRequest) -> str:
    """After the test, for a namespace that no other test knows."""
    return f"{request.node.originalname.removeprefix('test_')[:40]}_{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def settings() -> dict:
    return SETTINGS


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """PyIceberg's view of the same catalog."""
    return load_catalog("pangolin", **PROPERTIES)
