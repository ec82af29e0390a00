"""A pytest plugin that leads PyIceberg's own integration suite to the catalog and the storage that the caller started.

The suite knows fixed addresses (a catalog on port 8181, MinIO on 9000, Spark Connect on 15002). Its files stay as they are:
what it gives to PyIceberg and to Spark is changed on its way. See ../pytest.ts for what PANGOLIN_TEST_CATALOG holds.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pyiceberg.catalog.rest import RestCatalog
from pyspark.sql import SparkSession

SETTINGS = json.loads(os.environ["PANGOLIN_TEST_CATALOG"])
STORAGE = SETTINGS["storage"]
REPLACED = {
    "http://localhost:8181": SETTINGS["properties"]["uri"],
    "http://localhost:9000": STORAGE["endpoint"],
    "admin": STORAGE["accessKey"],
    "password": STORAGE["secretKey"],
}
ADDED = {key: SETTINGS["properties"][key] for key in ("warehouse", "token")}
# The suite has keys of its own, with which it also writes files outside of its tables.
ADDED["header.X-Iceberg-Access-Delegation"] = ""
HERE = Path(__file__).parent
SUITE = Path(os.environ["PYICEBERG_SUITE"])
DESELECTED = HERE / "deselected.txt"


def ours(properties: dict[str, str]) -> dict[str, str]:
    return {key: REPLACED.get(value, value) for key, value in properties.items()}


def connect(self: RestCatalog, name: str, original=RestCatalog.__init__, **properties: str) -> None:
    original(self, name, **{**ours(properties), **ADDED})


RestCatalog.__init__ = connect


def pytest_sessionstart(session: pytest.Session) -> None:
    """Starts Spark, and makes the tables that the suite expects to find, by the suite's own program."""
    spark = subprocess.Popen(
        [sys.executable, str(HERE / "spark_connect.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    session.config.add_cleanup(lambda: stop_spark(spark))
    port = next(line.split()[1] for line in spark.stdout if line.startswith("port "))
    remote = SparkSession.Builder.remote
    SparkSession.Builder.remote = lambda self, url: remote(self, f"sc://127.0.0.1:{port}")
    provision()


def stop_spark(server: subprocess.Popen) -> None:
    # A client that is left takes leave of the server at the end of the program, and tries for minutes where none answers.
    if (client := SparkSession.getActiveSession()) is not None:
        client.stop()
    server.communicate(timeout=60)


def provision() -> None:
    program = SUITE / "dev" / "provision.py"
    text, hive = re.subn(r'^    "hive": load_catalog\(\n.*?^    \),\n', "", program.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert hive == 1, f"{program} has changed"
    exec(compile(text, str(program), "exec"), {})


def rules() -> list[tuple[str, str, str]]:
    """Lines of `<kind> <text>: <reason>`; the kinds are those of `matches`."""
    lines = [line for line in DESELECTED.read_text().splitlines() if line and not line.startswith("#")]
    return [re.fullmatch(r"(\w+) (\S+): (.+)", line).groups() for line in lines]


def matches(item: pytest.Item, kind: str, text: str) -> bool:
    if kind == "test":
        return text in item.nodeid
    if kind == "spark":
        return text in item.nodeid and "spark" in item.fixturenames
    assert kind == "fixture", f"{DESELECTED} has an unknown kind {kind}"
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else []
    return text in item.fixturenames or any(getattr(value, "name", None) == text for value in parameters)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    deselected = {}
    for kind, text, reason in rules():
        found = [item for item in items if matches(item, kind, text)]
        if not found:
            raise pytest.UsageError(f"{DESELECTED} names {kind} {text}, and there is none in the suite")
        deselected.update((item.nodeid, item) for item in found)
    config.hook.pytest_deselected(items=list(deselected.values()))
    items[:] = [item for item in items if item.nodeid not in deselected]
