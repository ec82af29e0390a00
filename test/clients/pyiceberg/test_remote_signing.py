"""Requests that the server signs: the client has no keys and gets none, and opens one table's files alone."""

import sys
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import connect
from management_api import make_signing_catalog, narrowed_token
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import SignError
from support import PEOPLE, data_file, ids, people, read, write

SIGNED = {"header.X-Iceberg-Access-Delegation": "remote-signing", "py-io-impl": "pyiceberg.io.fsspec.FsspecFileIO"}
# Nothing of the machine's own may stand in for what the server does not give.
NO_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}


@pytest.fixture(scope="module", autouse=True)
def only_on_s3(settings):
    if settings["properties"]["type"] != "rest" or settings["kind"] != "s3":
        pytest.skip("requests are signed on S3")


@pytest.fixture(autouse=True)
def without_keys(monkeypatch):
    for name, value in NO_KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")


@pytest.fixture(scope="module")
def warehouse(settings) -> str:
    """A catalog in the same bucket, whose warehouse hands out nothing."""
    name = f"signing-{uuid.uuid4().hex[:8]}"
    make_signing_catalog(settings, name)
    return name


@pytest.fixture
def writer(warehouse: str) -> Catalog:
    catalog = connect(warehouse=warehouse, **SIGNED)
    catalog.create_namespace_if_not_exists(("ns",))
    return catalog


@pytest.fixture
def name() -> tuple[str, str]:
    return ("ns", f"t_{uuid.uuid4().hex[:8]}")


def refused(work: Callable[[], object]) -> None:
    """The server does not sign: the request never reaches the storage."""
    with pytest.raises(SignError, match="403"):
        work()


def test_reads_and_writes_without_keys(writer: Catalog, name, warehouse: str):
    table = writer.create_table(name, schema=PEOPLE)
    held = {key: value for key, value in table.io.properties.items() if "secret" in key or "access-key" in key or "session" in key}
    assert held == {}
    assert table.io.properties["s3.remote-signing-enabled"] == "true"
    table.append(people((1, "a")))
    table.append(people((2, "b")))
    table.delete("id = 1")
    assert ids(connect(warehouse=warehouse, **SIGNED).load_table(name)) == [2]


def test_a_staged_table_is_written_before_it_exists(writer: Catalog, name):
    with writer.create_table_transaction(name, schema=PEOPLE) as transaction:
        transaction.append(people((1, "a")))
    assert ids(writer.load_table(name)) == [1]


def test_partitions_whose_values_are_escaped(writer: Catalog, name):
    table = writer.create_table(name, schema=PEOPLE)
    with table.update_spec() as update:
        update.add_identity("name")
    values = ["a b", "a/b", "a+b", "ü", "a%2Fb", "x=y&z", "..", "a?b#c"]
    table.append(people(*enumerate(values)))
    assert ids(table.refresh()) == list(range(len(values)))


def test_many_parts(writer: Catalog, name):
    table = writer.create_table(name, schema=PEOPLE)
    content = bytes(range(256)) * 4096 * 60
    location = f"{table.location()}/data/large"
    write(table.io, location, content)
    assert read(table.io, location) == content


def test_opens_nothing_of_a_neighbour(writer: Catalog, name, warehouse: str, settings):
    root = f"s3://{settings['storage']['bucket']}/{warehouse}/{warehouse}/ns/{name[1]}"
    writer.create_table(name, schema=PEOPLE, location=root).append(people((1, "a")))
    # One whose place begins with the same text.
    neighbour = writer.create_table(("ns", f"{name[1]}2"), schema=PEOPLE, location=f"{root}2")
    neighbour.append(people((2, "b")))
    paths = [data_file(neighbour), neighbour.metadata_location]
    for path in paths:
        assert read(neighbour.io, path)
    # PyIceberg signs with the token of whoever came last: from here on that is somebody of this table alone.
    part = {"catalog": warehouse, "namespace": ["ns"], "table": name[1]}
    token = narrowed_token(settings["properties"], "read-write", part)
    table = connect(warehouse=warehouse, token=token, **SIGNED).load_table(name)
    for path in paths:
        refused(lambda path=path: read(table.io, path))
        refused(lambda path=path: write(table.io, path))
    refused(lambda: write(table.io, f"{root}/../{name[1]}2/data/x"))
    refused(lambda: write(table.io, f"s3://{settings['storage']['bucket']}/new"))
    refused(lambda: write(table.io, table.metadata_location))
    table.append(people((3, "c")))
    assert ids(table.refresh()) == [1, 3]
    assert ids(connect(warehouse=warehouse, **SIGNED).load_table(("ns", f"{name[1]}2"))) == [2]


def test_tables_side_by_side(writer: Catalog, name):
    tables = [writer.create_table((name[0], f"{name[1]}_{number}"), schema=PEOPLE) for number in range(3)]
    for number, table in enumerate(tables):
        table.append(people((number, "a")))
    assert [ids(table) for table in tables] == [[0], [1], [2]]


def test_threads_side_by_side(writer: Catalog, name):
    table = writer.create_table(name, schema=PEOPLE)

    def one_thread(number: int) -> bool:
        # A thread has its own signer from its first use of the storage on, at which others are in the middle of theirs.
        paths = [f"{table.location()}/data/{number}-{part}" for part in range(5)]
        for path in paths:
            write(table.io, path, path.encode())
        return all(read(table.io, path) == path.encode() for path in paths)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for start in range(0, 24, 12):
            with ThreadPoolExecutor(12) as threads:
                assert all(threads.map(one_thread, range(start, start + 12)))
    finally:
        sys.setswitchinterval(interval)


def test_a_reader_reads(writer: Catalog, name, warehouse: str, settings):
    table = writer.create_table(name, schema=PEOPLE)
    table.append(people((1, "a")))
    path = data_file(table)
    token = narrowed_token(settings["properties"], "read")
    seen = connect(warehouse=warehouse, token=token, **SIGNED).load_table(name)
    assert ids(seen) == [1]
    refused(lambda: write(seen.io, path))
    refused(lambda: write(seen.io, f"{table.location()}/data/new.parquet"))
    assert ids(connect(warehouse=warehouse, **SIGNED).load_table(name)) == [1]


def test_where_clients_ask_that_were_told_no_place(writer: Catalog, name, settings, warehouse: str):
    table = writer.create_table(name, schema=PEOPLE)
    table.append(people((1, "a")))
    path = data_file(table)
    for uri in [settings["properties"]["uri"], f"{settings['properties']['uri']}/v1/{warehouse}"]:
        told = {**table.io.properties, "uri": uri}
        del told["s3.signer.endpoint"]
        io = type(table.io)(told)
        assert read(io, path) == read(table.io, path)
        write(io, f"{table.location()}/data/x")
        refused(lambda io=io: write(io, f"s3://{settings['storage']['bucket']}/new"))
