"""Several operations in one commit, and the creation of a table together with its first data."""

import pyarrow as pa
import pytest
from pyiceberg.exceptions import CommitFailedException, TableAlreadyExistsError
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.table.sorting import SortField, SortOrder
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType
from support import PEOPLE, ids, people, rows

SPEC = PartitionSpec(PartitionField(source_id=2, field_id=1000, transform=IdentityTransform(), name="name"))
ORDER = SortOrder(SortField(source_id=1, transform=IdentityTransform()))


def test_several_operations_are_one_commit(catalog, namespace):
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    log = len(table.metadata.metadata_log)
    with table.transaction() as transaction:
        transaction.append(people((1, "a"), (2, "b")))
        transaction.delete("id == 1")
        transaction.set_properties({"k": "v"})
        with transaction.update_schema() as update:
            update.add_column("n", LongType())
        with transaction.update_spec() as update:
            update.add_identity("name")
        transaction.append(people((3, "c")))
    read = catalog.load_table((*namespace, "t"))
    assert rows(read) == [{"id": 2, "name": "b", "n": None}, {"id": 3, "name": "c", "n": None}]
    assert read.properties["k"] == "v"
    assert [field.name for field in read.spec().fields] == ["name"]
    assert len(read.metadata.metadata_log) == log + 1
    assert len(read.snapshots()) == 3


def test_a_transaction_that_fails_changes_nothing(catalog, namespace):
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    location = table.metadata_location
    with pytest.raises(RuntimeError, match="on purpose"), table.transaction() as transaction:
        transaction.append(people((1, "a")))
        raise RuntimeError("on purpose")
    assert catalog.load_table((*namespace, "t")).metadata_location == location


def test_nothing_of_a_conflicting_transaction_lands(catalog, namespace):
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    stale = catalog.load_table((*namespace, "t"))
    with table.update_schema() as update:
        update.add_column("mine", LongType())
    with pytest.raises(CommitFailedException), stale.transaction() as transaction:
        transaction.set_properties({"k": "v"})
        with transaction.update_schema() as update:
            update.add_column("yours", LongType())
    read = catalog.load_table((*namespace, "t"))
    assert "k" not in read.properties and "yours" not in read.schema().column_names


def test_staged_create(catalog, namespace):
    identifier = (*namespace, "t")
    transaction = catalog.create_table_transaction(identifier, schema=PEOPLE, partition_spec=SPEC, sort_order=ORDER, properties={"a": "1"})
    assert not catalog.table_exists(identifier), "nobody sees a staged table"
    assert catalog.list_tables(namespace) == []
    staged = transaction.table_metadata.table_uuid
    with transaction as open_transaction:
        open_transaction.set_properties({"b": "2"})
        with open_transaction.update_snapshot().fast_append() as append:
            from pyiceberg.io.pyarrow import _dataframe_to_data_files

            for file in _dataframe_to_data_files(open_transaction.table_metadata, people((1, "a"), (2, "b")), open_transaction._table.io):
                append.append_data_file(file)
    read = catalog.load_table(identifier)
    assert read.metadata.table_uuid == staged
    assert ids(read) == [1, 2]
    assert (read.properties["a"], read.properties["b"]) == ("1", "2")
    assert (read.spec(), read.sort_order().fields) == (SPEC, ORDER.fields)
    assert read.metadata.metadata_log == []
    read.append(people((3, "c")))
    assert ids(catalog.load_table(identifier)) == [1, 2, 3]


def test_staged_create_with_a_schema_change(catalog, namespace):
    with catalog.create_table_transaction((*namespace, "t"), schema=PEOPLE) as transaction:
        with transaction.update_schema() as update:
            update.add_column("n", LongType())
        transaction.append(pa.table({"id": pa.array([1], pa.int64()), "name": ["a"], "n": pa.array([5], pa.int64())},
                                    schema=transaction.table_metadata.schema().as_arrow()))
    assert rows(catalog.load_table((*namespace, "t"))) == [{"id": 1, "name": "a", "n": 5}]


def test_staged_create_loses_against_a_real_one(catalog, namespace):
    transaction = catalog.create_table_transaction((*namespace, "t"), schema=PEOPLE)
    winner = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    with pytest.raises(CommitFailedException):
        transaction.commit_transaction()
    assert catalog.load_table((*namespace, "t")).metadata.table_uuid == winner.metadata.table_uuid


def test_staged_create_of_a_table_that_exists(catalog, namespace):
    catalog.create_table((*namespace, "t"), schema=PEOPLE)
    with pytest.raises(TableAlreadyExistsError):
        catalog.create_table_transaction((*namespace, "t"), schema=PEOPLE)


def test_two_staged_creates_one_wins(catalog, namespace):
    one, two = (catalog.create_table_transaction((*namespace, "t"), schema=PEOPLE) for _ in range(2))
    won = two.commit_transaction()
    with pytest.raises(CommitFailedException):
        one.commit_transaction()
    assert catalog.load_table((*namespace, "t")).metadata.table_uuid == won.metadata.table_uuid
