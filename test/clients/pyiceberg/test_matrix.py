"""The four things that a catalog must be good for. `npm run matrix` shows how they end on every database and every storage."""

import pyarrow as pa
import pytest
from conftest import connect
from pyiceberg.exceptions import TableAlreadyExistsError
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, StringType
from support import PEOPLE, ids, people, rows


def test_table_creation(catalog, namespace):
    """Another session sees exactly what was created; the name is taken then."""
    identifier = (*namespace, "t")
    spec = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "name"))
    created = catalog.create_table(identifier, schema=PEOPLE, partition_spec=spec, properties={"owner": "ada"})
    other = connect()
    loaded = other.load_table(identifier)
    assert loaded.metadata == created.metadata
    assert loaded.schema() == PEOPLE and loaded.spec() == spec and loaded.properties["owner"] == "ada"
    assert other.list_tables(namespace) == [identifier]
    with pytest.raises(TableAlreadyExistsError):
        other.create_table(identifier, schema=PEOPLE)


def test_data_write(catalog, namespace):
    """What was appended, overwritten and deleted is what another session finds, snapshot by snapshot."""
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    table.append(people((1, "a"), (2, "b")))
    table.append(people((3, "c")))
    table.delete("id == 1")
    table.overwrite(people((2, "changed")), overwrite_filter="id == 2")
    seen = connect().load_table(table.name())
    assert rows(seen) == [{"id": 2, "name": "changed"}, {"id": 3, "name": "c"}]
    assert seen.metadata == table.metadata
    assert [entry.snapshot_id for entry in seen.history()] == [entry.snapshot_id for entry in table.history()]


def test_data_read(catalog, namespace):
    """Filters, projections and earlier snapshots, through a session that wrote nothing."""
    writer = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    writer.append(people(*((number, f"name {number}") for number in range(100))))
    first = writer.metadata.current_snapshot_id
    writer.delete("id >= 50")
    reader = connect().load_table(writer.name())
    assert ids(reader) == list(range(50))
    assert ids(reader, row_filter="id > 46") == [47, 48, 49]
    assert reader.scan(selected_fields=("name",), row_filter="id == 7").to_arrow().to_pylist() == [{"name": "name 7"}]
    assert ids(reader, snapshot_id=first) == list(range(100))


def add_column(table, name, kind):
    with table.update_schema() as update:
        update.add_column(name, kind)


def test_schema_update(catalog, namespace):
    """Through a handle older than a write, and right after a write. Nobody calls refresh."""
    writer = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    stale = catalog.load_table(writer.name())
    writer.append(people((1, "a")))
    add_column(stale, "through_a_stale_handle", LongType())
    # This handle in turn is older than the update.
    writer.append(people((2, "b")))
    add_column(writer, "right_after", StringType())
    seen = connect().load_table(writer.name())
    names = ["id", "name", "through_a_stale_handle", "right_after"]
    assert seen.schema().column_names == names
    assert len({field.field_id for field in seen.schema().fields}) == 4
    seen.append(pa.Table.from_pylist([dict(zip(names, [3, "c", 7, "x"]))], schema=seen.schema().as_arrow()))
    assert [tuple(row[name] for name in names) for row in rows(connect().load_table(writer.name()))] == [
        (1, "a", None, None),
        (2, "b", None, None),
        (3, "c", 7, "x"),
    ]
