"""Data: append, overwrite, delete, upsert, added files, branches as targets of writes."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.expressions import EqualTo, GreaterThan
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.transforms import IdentityTransform
from support import PEOPLE, PEOPLE_ARROW, files_below, ids, people, rows

BY_NAME = PartitionSpec(PartitionField(source_id=2, field_id=1000, transform=IdentityTransform(), name="name"))


@pytest.fixture(params=["unpartitioned", "partitioned"])
def table(catalog, namespace, request):
    spec = {} if request.param == "unpartitioned" else {"partition_spec": BY_NAME}
    return catalog.create_table((*namespace, "t"), schema=PEOPLE, **spec)


@pytest.fixture
def reload(catalog):
    return lambda table: catalog.load_table(table.name())


def test_append(table, reload):
    for number in range(3):
        table.append(people((number, f"n{number % 2}")), snapshot_properties={"step": str(number)})
    read = reload(table)
    assert ids(read) == [0, 1, 2]
    assert [snapshot.sequence_number for snapshot in read.snapshots()] == [1, 2, 3]
    assert [snapshot.summary["step"] for snapshot in read.snapshots()] == ["0", "1", "2"]
    assert [snapshot.parent_snapshot_id for snapshot in read.snapshots()] == [None, *(s.snapshot_id for s in read.snapshots()[:2])]
    assert [entry.snapshot_id for entry in read.history()] == [snapshot.snapshot_id for snapshot in read.snapshots()]
    assert read.current_snapshot().summary["total-records"] == "3"


def test_append_nothing(table, reload):
    table.append(people())
    assert ids(reload(table)) == []


def test_overwrite_everything(table, reload):
    table.append(people((1, "a"), (2, "b")))
    table.overwrite(people((3, "c")))
    assert ids(reload(table)) == [3]


def test_overwrite_with_a_filter(table, reload):
    table.append(people((1, "a"), (2, "b"), (3, "c")))
    table.overwrite(people((2, "B"), (4, "d")), overwrite_filter=EqualTo("id", 2))
    assert rows(reload(table)) == [
        {"id": 1, "name": "a"}, {"id": 2, "name": "B"}, {"id": 3, "name": "c"}, {"id": 4, "name": "d"},
    ]


def test_dynamic_partition_overwrite(catalog, namespace, reload):
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE, partition_spec=BY_NAME)
    table.append(people((1, "a"), (2, "b")))
    table.dynamic_partition_overwrite(people((3, "b")))
    assert ids(reload(table)) == [1, 3]


def test_delete_rows(table, reload):
    table.append(people((1, "a"), (2, "b"), (3, None)))
    table.delete(GreaterThan("id", 1))
    assert ids(reload(table)) == [1]


def test_delete_by_partition_value_and_everything(table, reload):
    table.append(people((1, "a"), (2, "b"), (3, None)))
    table.delete("name == 'b'")
    assert ids(reload(table)) == [1, 3]
    table.delete()
    assert ids(reload(table)) == []
    assert reload(table).current_snapshot().summary["total-records"] == "0"


def test_upsert(table, reload):
    table.append(people((1, "a"), (2, "b"), (3, "c")))
    result = table.upsert(people((2, "B"), (3, "c"), (4, "d")))
    assert (result.rows_updated, result.rows_inserted) == (1, 1)
    assert rows(reload(table)) == [
        {"id": 1, "name": "a"}, {"id": 2, "name": "B"}, {"id": 3, "name": "c"}, {"id": 4, "name": "d"},
    ]


def test_add_files(catalog, namespace, reload):
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    path = f"{table.location()}/outside/one.parquet"
    with table.io.new_output(path).create() as stream:
        pq.write_table(people((7, "seven")), stream)
    table.add_files([path])
    assert rows(reload(table)) == [{"id": 7, "name": "seven"}]


def test_append_to_a_branch(table, reload):
    table.append(people((1, "a")))
    table.manage_snapshots().create_branch(table.current_snapshot().snapshot_id, "audit").commit()
    table.append(people((2, "b")), branch="audit")
    read = reload(table)
    assert ids(read) == [1]
    audit = read.snapshot_by_name("audit").snapshot_id
    assert ids(read, snapshot_id=audit) == [1, 2]
    assert read.metadata.current_snapshot_id != audit


def test_time_travel(table, reload):
    table.append(people((1, "a")))
    first = table.current_snapshot().snapshot_id
    table.append(people((2, "b")))
    assert ids(reload(table), snapshot_id=first) == [1]


def test_table_in_files_of_its_own(table):
    """Everything that a write made lies below the table's location, the server's metadata files included."""
    before = files_below(table)
    table.append(people((1, "a")))
    made = files_below(table) - before
    kinds = {"data": ".parquet", "manifest list": "snap-", "metadata": ".metadata.json"}
    assert {kind for kind, mark in kinds.items() if any(mark in path for path in made)} == set(kinds)
    assert table.metadata_location.split("://", 1)[-1].lstrip("/") in {path.lstrip("/") for path in made}


def test_metadata_files_are_numbered_and_logged(table, reload):
    for number in range(3):
        table.append(people((number, "x")))
    read = reload(table)
    names = [entry.metadata_file.rsplit("/", 1)[1] for entry in read.metadata.metadata_log]
    assert [name.split("-", 1)[0] for name in names] == ["00000", "00001", "00002"]
    assert read.metadata_location.rsplit("/", 1)[1].startswith("00003-")


def test_many_columns_and_rows(catalog, namespace, reload):
    wide = pa.table({f"c{index}": pa.array(range(1000)) for index in range(200)})
    table = catalog.create_table((*namespace, "wide"), schema=wide.schema)
    table.append(wide)
    assert reload(table).scan(selected_fields=("c0", "c199")).to_arrow().num_rows == 1000


def test_reader_without_the_catalog(table):
    """The metadata file is a complete table for whoever is handed its location alone."""
    from pyiceberg.table import StaticTable

    table.append(people((1, "a"), (2, "b")))
    static = StaticTable.from_metadata(table.metadata_location, properties=table.io.properties)
    assert ids(static) == [1, 2]
    assert static.schema().as_arrow().names == PEOPLE_ARROW.names
