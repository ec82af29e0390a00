"""Connects the suite to the catalog that the caller started, with the file IO that works on the emulator.

PANGOLIN_TEST_CATALOG holds a JSON object: `properties` (what `load_catalog` is given) and `kind` of warehouse. What the
clients know of the storage, and every credential for it, comes from the server.
"""

import json
import os
import uuid

import pytest
from pyiceberg.catalog import Catalog, load_catalog

SETTINGS = json.loads(os.environ["PANGOLIN_TEST_CATALOG"])
# adlfs takes an emulator's address in a connection string; gcsfs asks Google itself about every token.
FILE_IO = {"azure": "pyiceberg.io.fsspec.FsspecFileIO", "gcs": "pyiceberg.io.pyarrow.PyArrowFileIO"}


def connect(**overrides: str) -> Catalog:
    """A session of its own, as another client would have it."""
    properties = {"py-io-impl": FILE_IO[SETTINGS["kind"]], **SETTINGS["properties"], **overrides}
    return load_catalog("pangolin", **properties)


@pytest.fixture(scope="session")
def kind() -> str:
    return SETTINGS["kind"]


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return connect()


@pytest.fixture
def namespace(catalog: Catalog, request: pytest.FixtureRequest) -> tuple[str, ...]:
    """A namespace that no other test knows."""
    name = (f"{request.node.originalname.removeprefix('test_')[:40]}_{uuid.uuid4().hex[:8]}",)
    catalog.create_namespace(name)
    return name
