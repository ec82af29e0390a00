"""
A handle that was loaded before somebody else's commit keeps working for every change that does not conflict with it.

Other catalogs answer some of these with 409 until the user calls `refresh()`. Nothing here calls it.
"""

import pyarrow as pa
import pytest
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.transforms import BucketTransform, IdentityTransform
from pyiceberg.types import LongType, StringType
from support import PEOPLE, ids, people


@pytest.fixture
def handles(catalog, namespace):
    """The writer's handle, and one that was loaded at the same time and will be stale."""
    writer = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    return writer, catalog.load_table((*namespace, "t"))


@pytest.fixture
def reload(catalog):
    return lambda table: catalog.load_table(table.name())


def add_column(table, name="extra", kind=StringType()):
    with table.update_schema() as update:
        update.add_column(name, kind)


def test_schema_update_straight_after_a_write(handles, reload):
    writer, _ = handles
    for number in range(5):
        writer.append(people((number, "x")) if number == 0 else pa.table({"id": [number]}, schema=writer.schema().select("id").as_arrow()))
        add_column(writer, f"c{number}")
    read = reload(writer)
    assert ids(read) == [0, 1, 2, 3, 4]
    assert read.schema().column_names == ["id", "name", *(f"c{number}" for number in range(5))]


WRITES = {
    "append": lambda table: table.append(people((2, "b"))),
    "overwrite": lambda table: table.overwrite(people((2, "b"))),
    "delete": lambda table: table.delete("id == 1"),
    "upsert": lambda table: table.upsert(people((1, "changed"))),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_schema_update_through_a_handle_older_than_a_write(catalog, namespace, reload, write):
    writer = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    writer.append(people((1, "a")))
    stale = catalog.load_table((*namespace, "t"))
    write(writer)
    add_column(stale)
    read = reload(stale)
    assert read.schema().column_names == ["id", "name", "extra"]
    assert read.metadata.current_snapshot_id == writer.metadata.current_snapshot_id, "the write is still there"


def test_every_kind_of_schema_update_through_a_stale_handle(handles, reload):
    writer, stale = handles
    writer.append(people((1, "a")))
    with stale.update_schema() as update:
        update.rename_column("name", "label")
        update.add_column("n", LongType())
        update.move_first("n")
        update.update_column("id", doc="changed")
    assert reload(stale).schema().column_names == ["n", "id", "label"]
    assert ids(reload(stale)) == [1]


def test_write_after_the_schema_update_of_a_stale_handle(handles, reload):
    writer, stale = handles
    writer.append(people((1, "a")))
    add_column(stale)
    stale.append(people((2, "b")))
    writer.append(people((3, "c")))
    assert ids(reload(stale)) == [1, 2, 3]


def test_partition_spec_update_through_a_stale_handle(handles, reload):
    writer, stale = handles
    writer.append(people((1, "a")))
    with stale.update_spec() as update:
        update.add_field("id", BucketTransform(4), "bucket")
    writer.append(people((2, "b")))
    read = reload(stale)
    assert [field.name for field in read.spec().fields] == ["bucket"]
    assert ids(read) == [1, 2]


def test_partition_spec_update_after_a_schema_update_elsewhere(handles, reload):
    writer, stale = handles
    add_column(writer)
    with stale.update_spec() as update:
        update.add_identity("name")
    read = reload(stale)
    assert read.schema().column_names == ["id", "name", "extra"]
    assert [field.transform for field in read.spec().fields] == [IdentityTransform()]


def test_sort_order_update_through_a_stale_handle(handles, reload):
    writer, stale = handles
    writer.append(people((1, "a")))
    with stale.update_sort_order() as update:
        update.desc("id", IdentityTransform())
    assert reload(stale).sort_order().order_id == 1


def test_properties_through_stale_handles(handles, reload):
    writer, stale = handles
    writer.append(people((1, "a")))
    with writer.transaction() as transaction:
        transaction.set_properties({"a": "1", "b": "1"})
    add_column(writer)
    with stale.transaction() as transaction:
        transaction.set_properties({"b": "2", "c": "2"})
    with stale.transaction() as transaction:
        transaction.remove_properties("a")
    assert {key: value for key, value in reload(stale).properties.items() if key in "abc"} == {"b": "2", "c": "2"}
    assert reload(stale).schema().column_names == ["id", "name", "extra"]


def test_append_through_a_stale_handle(handles, reload):
    """An append asserts the head of the branch, so this one is tried again, by PyIceberg itself."""
    writer, stale = handles
    writer.append(people((1, "a")))
    stale.append(people((2, "b")))
    assert ids(reload(stale)) == [1, 2]


def test_tag_and_branch_through_a_stale_handle(catalog, namespace, reload):
    writer = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    writer.append(people((1, "a")))
    stale = catalog.load_table((*namespace, "t"))
    first = writer.current_snapshot().snapshot_id
    writer.append(people((2, "b")))
    stale.manage_snapshots().create_tag(first, "v1").create_branch(first, "dev").commit()
    refs = reload(stale).refs()
    assert (refs["v1"].snapshot_id, refs["dev"].snapshot_id) == (first, first)
    assert refs["main"].snapshot_id == writer.current_snapshot().snapshot_id


def test_expiry_through_a_stale_handle(catalog, namespace, reload):
    writer = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    for number in range(3):
        writer.append(people((number, "x")))
    stale = catalog.load_table((*namespace, "t"))
    writer.append(people((3, "x")))
    stale.maintenance.expire_snapshots().by_id(stale.snapshots()[0].snapshot_id).commit()
    assert len(reload(stale).snapshots()) == 3
    assert ids(reload(stale)) == [0, 1, 2, 3]


def test_update_after_a_partition_update_of_the_other_handle(catalog, namespace, reload):
    spec = PartitionSpec(PartitionField(source_id=2, field_id=1000, transform=IdentityTransform(), name="name"))
    writer = catalog.create_table((*namespace, "t"), schema=PEOPLE, partition_spec=spec)
    stale = catalog.load_table((*namespace, "t"))
    with writer.update_spec() as update:
        update.remove_field("name")
    add_column(stale)
    with stale.transaction() as transaction:
        transaction.set_properties({"k": "v"})
    read = reload(stale)
    assert read.spec().is_unpartitioned() and read.schema().column_names == ["id", "name", "extra"]


def test_a_real_conflict_is_still_one(handles, reload):
    """Both handles add a column with the same id: the second must not win silently."""
    writer, stale = handles
    add_column(writer, "mine")
    with pytest.raises(CommitFailedException):
        add_column(stale, "yours")
    assert reload(stale).schema().column_names == ["id", "name", "mine"]
    stale.refresh()
    add_column(stale, "yours")
    assert reload(stale).schema().column_names == ["id", "name", "mine", "yours"]
