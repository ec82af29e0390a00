"""Tables of format version 1 whose metadata leaves out what later writers always say. PyIceberg makes up what is missing."""

import json

import pytest
from pyiceberg.types import StringType
from support import PEOPLE, ids, people, read, write

LEFT_OUT = [
    "table-uuid",
    "schemas",
    "current-schema-id",
    "partition-specs",
    "default-spec-id",
    "last-partition-id",
    "sort-orders",
    "default-sort-order-id",
    "refs",
    "properties",
    "snapshot-log",
    "metadata-log",
    "statistics",
    "partition-statistics",
]


def early_file(catalog, namespace, left_out=tuple(LEFT_OUT)) -> str:
    """The metadata file of a table with one row that no catalog knows, as an early writer would have written it."""
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE, properties={"format-version": "1"})
    table.append(people((1, "a")))
    metadata = json.loads(read(table.io, table.metadata_location))
    catalog.drop_table((*namespace, "t"))
    assert metadata["format-version"] == 1
    assert metadata["schema"] and "partition-spec" in metadata
    location = f"{table.location()}/metadata/early.metadata.json"
    write(table.io, location, json.dumps({key: value for key, value in metadata.items() if key not in left_out}).encode())
    return location


@pytest.mark.parametrize("left_out", [LEFT_OUT, ["table-uuid"], ["refs"], ["schemas", "current-schema-id"]], ids="-".join)
def test_commits_of_several_handles(catalog, namespace, left_out):
    location = early_file(catalog, namespace, left_out)
    registered = catalog.register_table((*namespace, "t"), location)
    assert registered.metadata_location == location
    loaded = [catalog.load_table((*namespace, "t")) for _ in range(3)]
    assert {table.metadata.table_uuid for table in loaded} == {registered.metadata.table_uuid}
    assert ids(registered) == [1]
    loaded[0].append(people((2, "b")))
    with loaded[1].refresh().update_schema() as update:
        update.add_column("email", StringType())
    with loaded[2].refresh().update_spec() as update:
        update.add_identity("name")
    last = catalog.load_table((*namespace, "t"))
    last.delete("id = 1")
    last = catalog.load_table((*namespace, "t"))
    assert ids(last) == [2]
    assert last.metadata.table_uuid == registered.metadata.table_uuid
    assert last.metadata.format_version == 1
    with last.transaction() as transaction:
        transaction.upgrade_table_version(2)
    last = catalog.load_table((*namespace, "t"))
    assert (last.metadata.format_version, last.metadata.table_uuid) == (2, registered.metadata.table_uuid)
    assert ids(last) == [2]
