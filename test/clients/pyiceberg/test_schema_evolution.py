"""Schema changes, and the data that was written before them."""

import pyarrow as pa
import pytest
from pyiceberg.schema import Schema
from pyiceberg.types import (
    DecimalType, DoubleType, FloatType, IntegerType, ListType, LongType, MapType, NestedField, StringType, StructType,
)
from support import PEOPLE, ids, people, rows


@pytest.fixture
def table(catalog, namespace):
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    table.append(people((1, "a")))
    return table


def test_add_column(catalog, table):
    with table.update_schema() as update:
        update.add_column("age", IntegerType(), doc="years")
    read = catalog.load_table(table.name())
    assert (read.schema().schema_id, len(read.schemas())) == (1, 2)
    assert read.metadata.last_column_id == 3
    assert read.schema().find_field("age").doc == "years"
    assert rows(read) == [{"id": 1, "name": "a", "age": None}]


def test_rename_column_keeps_its_id_and_data(catalog, table):
    with table.update_schema() as update:
        update.rename_column("name", "full name")
    read = catalog.load_table(table.name())
    assert read.schema().find_field("full name").field_id == 2
    assert rows(read) == [{"id": 1, "full name": "a"}]


def test_drop_and_add_again_is_another_column(catalog, table):
    with table.update_schema() as update:
        update.delete_column("name")
    with table.update_schema() as update:
        update.add_column("name", StringType())
    read = catalog.load_table(table.name())
    assert read.schema().find_field("name").field_id == 3
    assert rows(read) == [{"id": 1, "name": None}]


def test_widen_types(catalog, namespace):
    schema = Schema(
        NestedField(1, "i", IntegerType(), required=False), NestedField(2, "f", FloatType(), required=False),
        NestedField(3, "d", DecimalType(5, 2), required=False),
    )
    table = catalog.create_table((*namespace, "t"), schema=schema)
    table.append(pa.table({"i": pa.array([1], pa.int32()), "f": pa.array([0.5], pa.float32()), "d": pa.array([1], pa.decimal128(5, 2))}))
    with table.update_schema() as update:
        update.update_column("i", LongType())
        update.update_column("f", DoubleType())
        update.update_column("d", DecimalType(12, 2))
    read = catalog.load_table((*namespace, "t"))
    assert [field.field_type for field in read.schema().fields] == [LongType(), DoubleType(), DecimalType(12, 2)]
    assert read.scan().to_arrow()["i"].to_pylist() == [1]


def test_order_and_nullability(catalog, namespace, table):
    with table.update_schema() as update:
        update.add_column("z", StringType())
        update.move_first("z")
        update.move_after("id", "name")
        update.update_column("name", doc="changed")
    assert catalog.load_table(table.name()).schema().column_names == ["z", "name", "id"]
    with table.update_schema() as update:
        update.set_identifier_fields()
        update.make_column_optional("id")
        update.move_before("id", "name")
    read = catalog.load_table(table.name())
    assert read.schema().column_names == ["z", "id", "name"]
    assert not read.schema().find_field("id").required
    assert ids(read) == [1]


def test_nested(catalog, namespace):
    schema = Schema(
        NestedField(1, "id", LongType(), required=False),
        NestedField(2, "s", StructType(NestedField(3, "a", IntegerType(), required=False)), required=False),
        NestedField(4, "l", ListType(5, StructType(NestedField(6, "b", IntegerType(), required=False)), element_required=False), required=False),
        NestedField(7, "m", MapType(8, StringType(), 9, StructType(NestedField(10, "c", IntegerType(), required=False)), value_required=False), required=False),
    )
    table = catalog.create_table((*namespace, "t"), schema=schema)
    table.append(pa.Table.from_pylist([{"id": 1, "s": {"a": 1}, "l": [{"b": 2}], "m": [("k", {"c": 3})]}], schema=table.schema().as_arrow()))
    last = table.metadata.last_column_id
    with table.update_schema() as update:
        update.add_column(("s", "added"), StringType())
        update.add_column(("l", "element", "added"), StringType())
        update.add_column(("m", "value", "added"), StructType(NestedField(1, "deep", LongType(), required=False)))
        update.rename_column(("s", "a"), "renamed")
        update.update_column(("l", "element", "b"), LongType())
        update.delete_column(("m", "value", "c"))
        update.move_first(("s", "added"))
    read = catalog.load_table((*namespace, "t"))
    assert read.metadata.last_column_id == last + 4
    assert [field.name for field in read.schema().find_field("s").field_type.fields] == ["added", "renamed"]
    assert rows(read) == [
        {"id": 1, "s": {"added": None, "renamed": 1}, "l": [{"b": 2, "added": None}], "m": [("k", {"added": None})]},
    ]


def test_union_by_name(catalog, table):
    with table.update_schema() as update:
        update.union_by_name(pa.schema([pa.field("name", pa.string()), pa.field("new", pa.list_(pa.float64()))]))
    read = catalog.load_table(table.name())
    assert [str(field) for field in read.schema().fields[2:]] == ["3: new: optional list<double>"]


def test_back_to_an_earlier_schema_reuses_it(catalog, table):
    with table.update_schema() as update:
        update.rename_column("name", "other")
    with table.update_schema() as update:
        update.rename_column("other", "name")
    read = catalog.load_table(table.name())
    assert (read.schema().schema_id, len(read.schemas())) == (0, 2)


def test_odd_column_names(catalog, namespace):
    names = ["with space", "dotted.name", "a/b", "100%", "日本", "'\"`", "\\", "UPPER", "upper"]
    schema = Schema(*[NestedField(index + 1, name, LongType(), required=False) for index, name in enumerate(names)])
    catalog.create_table((*namespace, "t"), schema=schema)
    table = catalog.load_table((*namespace, "t"))
    table.append(pa.table({name: [index] for index, name in enumerate(names)}, schema=table.schema().as_arrow()))
    assert catalog.load_table((*namespace, "t")).scan().to_arrow().to_pylist() == [{name: index for index, name in enumerate(names)}]


def test_old_snapshots_are_read_with_their_schema(catalog, table):
    before = table.current_snapshot().snapshot_id
    with table.update_schema() as update:
        update.rename_column("name", "later")
    table.append(pa.table({"id": pa.array([2], pa.int64()), "later": ["b"]}, schema=table.schema().as_arrow()))
    read = catalog.load_table(table.name())
    assert read.scan(snapshot_id=before).to_arrow().column_names == ["id", "name"]
    assert [snapshot.schema_id for snapshot in read.snapshots()] == [0, 1]


def test_refused_changes_change_nothing(catalog, table):
    location = catalog.load_table(table.name()).metadata_location
    for change in (
        lambda update: update.update_column("name", LongType()),
        lambda update: update.add_column("name", StringType()),
        lambda update: update.delete_column("nobody"),
        lambda update: update.add_column("must", LongType(), required=True),
    ):
        with pytest.raises(Exception), table.update_schema() as update:
            change(update)
    assert catalog.load_table(table.name()).metadata_location == location
