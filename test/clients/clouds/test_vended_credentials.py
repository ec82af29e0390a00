"""What the server vends for Azure and Google Cloud Storage opens the table's files, to the client that asked for it."""

import os

import pyarrow as pa
import pytest
from azure.core.exceptions import AzureError
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import EqualTo
from pyiceberg.table import Table

from conftest import connect

SCHEMA = pa.schema([pa.field("id", pa.int64()), pa.field("place", pa.string())])
SECRETS = {
    "azure": {"adls.sas-token", "adls.sas-token.devstoreaccount1.dfs.core.windows.net", "adls.connection-string"},
    "gcs": {"gcs.oauth2.token", "gcs.oauth2.token-expires-at"},
}
REFUSED = (OSError, AzureError, RuntimeError)
NEVER = {"adls.account-key", "gcs.service-account-key"}


def some(*rows: tuple[int, str]) -> pa.Table:
    return pa.Table.from_pylist([{"id": number, "place": place} for number, place in rows], schema=SCHEMA)


def ids(table: Table) -> list[int]:
    return sorted(table.scan().to_arrow()["id"].to_pylist())


@pytest.mark.parametrize("name", ["t", "it's", "sp ace", "ünïcöde"])
def test_writes_and_reads(catalog: Catalog, namespace: tuple[str, ...], name: str) -> None:
    table = catalog.create_table((*namespace, name), schema=SCHEMA)
    table.append(some((1, "here"), (2, "there")))
    table.append(some((3, "here")))
    assert ids(table) == [1, 2, 3]
    another = connect().load_table((*namespace, name))
    assert ids(another) == [1, 2, 3]
    another.delete(EqualTo("place", "here"))
    assert ids(catalog.load_table((*namespace, name))) == [2]


def test_writes_partitions(catalog: Catalog, namespace: tuple[str, ...]) -> None:
    table = catalog.create_table((*namespace, "t"), schema=SCHEMA)
    with table.update_spec() as update:
        update.add_identity("place")
    table.append(some((1, "a/b"), (2, "c d"), (3, "é%2F")))
    assert ids(connect().load_table((*namespace, "t"))) == [1, 2, 3]


def test_credentials_come_with_the_table_and_with_consent_alone(
    catalog: Catalog, namespace: tuple[str, ...], kind: str
) -> None:
    catalog.create_table((*namespace, "t"), schema=SCHEMA)
    asked = set(connect().load_table((*namespace, "t")).io.properties)
    assert SECRETS[kind] <= asked
    assert not NEVER & asked
    unasked = connect(**{"header.X-Iceberg-Access-Delegation": "remote-signing"})
    assert not (SECRETS[kind] | NEVER) & set(unasked.load_table((*namespace, "t")).io.properties)


def test_a_reader_reads_and_does_not_write(catalog: Catalog, namespace: tuple[str, ...]) -> None:
    catalog.create_table((*namespace, "t"), schema=SCHEMA).append(some((1, "here")))
    reader = connect(token=os.environ["PANGOLIN_TEST_READER_TOKEN"]).load_table((*namespace, "t"))
    assert ids(reader) == [1]
    [theirs] = [task.file.file_path for task in reader.scan().plan_files()]
    with pytest.raises(REFUSED):
        with reader.io.new_output(f"{reader.location()}/data/intruder").create() as stream:
            stream.write(b"x")
    with pytest.raises(REFUSED):
        reader.io.delete(theirs)
    assert ids(reader) == [1]


def test_neighbours_stay_closed(catalog: Catalog, namespace: tuple[str, ...], kind: str) -> None:
    if kind == "azure":
        pytest.skip("Azurite refuses signatures for directories: those here are for the container")
    own = catalog.create_table((*namespace, "t"), schema=SCHEMA)
    neighbour = catalog.create_table((*namespace, "t2"), schema=SCHEMA)
    neighbour.append(some((1, "theirs")))
    [theirs] = [task.file.file_path for task in neighbour.scan().plan_files()]
    assert neighbour.io.new_input(theirs).open().read(4) == b"PAR1"
    with pytest.raises(REFUSED):
        own.io.new_input(theirs).open().read(4)
    with pytest.raises(REFUSED):
        with own.io.new_output(f"{neighbour.location()}/data/intruder").create() as stream:
            stream.write(b"x")
    with pytest.raises(REFUSED):
        own.io.delete(theirs)
    assert ids(neighbour) == [1]
