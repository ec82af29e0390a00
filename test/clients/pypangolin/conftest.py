"""Connects Pangolin's own SDK to the server that the caller started: see suite.ts for what PANGOLIN_TEST_CATALOG holds."""

import json
import os
import uuid

import pytest
from pypangolin import PangolinClient

SETTINGS = json.loads(os.environ["PANGOLIN_TEST_CATALOG"])


@pytest.fixture(scope="session")
def settings() -> dict:
    return SETTINGS


@pytest.fixture(scope="session")
def uri() -> str:
    return SETTINGS["properties"]["uri"]


@pytest.fixture(scope="session")
def client(uri: str) -> PangolinClient:
    return PangolinClient(uri, SETTINGS["username"], SETTINGS["password"])


@pytest.fixture
def name() -> str:
    """Of a warehouse or catalog that no other test knows."""
    return f"sdk-{uuid.uuid4().hex[:8]}"
