"""Every type that PyIceberg knows travels to the server, into the metadata, and back, with data where it can write data."""

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pytest
from pyiceberg.exceptions import BadRequestError
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType, BooleanType, DateType, DecimalType, DoubleType, FixedType, FloatType, GeographyType, GeometryType, IntegerType,
    ListType, LongType, MapType, NestedField, StringType, StructType, TimestampNanoType, TimestampType, TimestamptzNanoType,
    TimestamptzType, TimeType, UnknownType, UUIDType,
)

PRIMITIVES = [
    (BooleanType(), [True, False]),
    (IntegerType(), [-(2**31), 2**31 - 1]),
    (LongType(), [-(2**63), 2**63 - 1]),
    (FloatType(), [1.5, float("-inf")]),
    (DoubleType(), [2.0**-1074, -1.7976931348623157e308]),
    (DecimalType(9, 2), [Decimal("-1234567.89"), Decimal("0.01")]),
    (DecimalType(38, 0), [Decimal("-" + "9" * 38), Decimal("1" + "0" * 37)]),
    (DecimalType(38, 38), [Decimal("0." + "1" * 38), Decimal("0." + "9" * 38)]),
    (DateType(), [date(1, 1, 1), date(9999, 12, 31)]),
    (TimeType(), [time(0, 0), time(23, 59, 59, 999999)]),
    (TimestampType(), [datetime(1969, 12, 31, 23, 59, 59, 999999), datetime(9999, 12, 31)]),
    (TimestamptzType(), [datetime(1970, 1, 1, tzinfo=timezone.utc), datetime(2038, 1, 19, 3, 14, 8, 1, tzinfo=timezone.utc)]),
    (StringType(), ["", "naïve 日本 🐧 \u0000"]),
    (UUIDType(), [UUID(int=0), UUID(int=2**128 - 1)]),
    (FixedType(1), [b"\x00", b"\xff"]),
    (FixedType(16), [bytes(range(16)), bytes(16)]),
    (BinaryType(), [b"", bytes(range(256))]),
]


def create(catalog, namespace, *fields: NestedField, version: int = 2):
    properties = {"format-version": str(version)}
    return catalog.create_table((*namespace, "t"), schema=Schema(*fields), properties=properties)


@pytest.mark.parametrize(("kind", "values"), PRIMITIVES, ids=[str(kind) for kind, _ in PRIMITIVES])
def test_primitive_type(catalog, namespace, kind, values):
    table = create(
        catalog, namespace, NestedField(1, "must", kind, required=True, doc="a doc"), NestedField(2, "may", kind, required=False)
    )
    assert catalog.load_table((*namespace, "t")).schema() == table.schema()
    field = table.schema().find_field("must")
    assert (field.field_type, field.required, field.doc) == (kind, True, "a doc")
    arrow = table.schema().as_arrow()
    plain = [value.bytes if isinstance(value, UUID) else value for value in values]
    columns = {"must": plain, "may": [None, plain[1]]}
    table.append(pa.table({name: pa.array(column, arrow.field(name).type) for name, column in columns.items()}, schema=arrow))
    read = catalog.load_table((*namespace, "t")).scan().to_arrow()
    for name, column in columns.items():
        assert [value.bytes if isinstance(value, UUID) else value for value in read[name].to_pylist()] == column


def test_nested_types(catalog, namespace):
    point = StructType(NestedField(10, "x", DoubleType(), required=True), NestedField(11, "y", DoubleType(), required=False))
    table = create(
        catalog,
        namespace,
        NestedField(1, "id", LongType(), required=True),
        NestedField(2, "point", point, required=False),
        NestedField(3, "tags", ListType(20, StringType(), element_required=False), required=False),
        NestedField(4, "path", ListType(21, point, element_required=True), required=False),
        NestedField(5, "by_name", MapType(30, StringType(), 31, ListType(32, IntegerType(), element_required=True)), required=False),
        NestedField(6, "by_point", MapType(33, LongType(), 34, point, value_required=True), required=False),
    )
    every_id = sorted(table.schema().field_ids)
    assert every_id == list(range(1, len(every_id) + 1)), "the server draws column ids anew, without gaps"
    assert table.metadata.last_column_id == len(every_id)
    row = {
        "id": 1, "point": {"x": 1.0, "y": None}, "tags": ["a", None], "path": [{"x": 0.0, "y": 0.5}],
        "by_name": [("k", [1, 2]), ("", [])], "by_point": [(7, {"x": 3.0, "y": 4.0})],
    }
    # PyIceberg itself reads a null list or map of structs back as an empty one.
    empty = {"id": 2, "point": None, "tags": [], "path": [], "by_name": [], "by_point": []}
    table.append(pa.Table.from_pylist([row, empty], schema=table.schema().as_arrow()))
    read = catalog.load_table((*namespace, "t"))
    assert read.schema() == table.schema()
    assert sorted(read.scan().to_arrow().to_pylist(), key=lambda one: one["id"]) == [row, empty]


def test_arrow_schema(catalog, namespace):
    """The form of the quick starts: an Arrow schema without field ids."""
    arrow = pa.table({"a": [1], "b": [{"c": ["x"], "d": 1.0}], "e": [timedelta(0) + datetime(2026, 1, 1)]})
    table = catalog.create_table((*namespace, "t"), schema=arrow.schema)
    table.append(arrow)
    assert catalog.load_table((*namespace, "t")).scan().to_arrow().to_pylist() == arrow.to_pylist()


@pytest.mark.parametrize("version", [1, 2, 3])
def test_format_versions(catalog, namespace, version):
    table = create(catalog, namespace, NestedField(1, "id", LongType(), required=False), version=version)
    assert table.metadata.format_version == version
    assert catalog.load_table((*namespace, "t")).metadata.format_version == version
    if version < 3:
        table.append(pa.table({"id": [1]}))
        assert catalog.load_table((*namespace, "t")).scan().to_arrow()["id"].to_pylist() == [1]


def test_upgrade_to_version_2_keeps_the_data(catalog, namespace):
    table = create(catalog, namespace, NestedField(1, "id", LongType(), required=False), version=1)
    table.append(pa.table({"id": [1]}))
    with table.transaction() as transaction:
        transaction.upgrade_table_version(2)
    table.append(pa.table({"id": [2]}))
    read = catalog.load_table((*namespace, "t"))
    assert read.metadata.format_version == 2
    assert sorted(read.scan().to_arrow()["id"].to_pylist()) == [1, 2]


VERSION_3 = [
    TimestampNanoType(), TimestamptzNanoType(), UnknownType(), GeometryType(), GeometryType("EPSG:3857"), GeographyType(),
    GeographyType("EPSG:4326"),
]


@pytest.mark.parametrize("kind", VERSION_3, ids=str)
def test_version_3_type(catalog, namespace, kind):
    table = create(catalog, namespace, NestedField(1, "id", LongType(), required=True), NestedField(2, "v", kind, required=False), version=3)
    read = catalog.load_table((*namespace, "t"))
    assert read.schema().find_field("v").field_type == kind
    with table.update_schema() as update:
        update.add_column("later", kind)
    assert catalog.load_table((*namespace, "t")).schema().find_field("later").field_type == kind


@pytest.mark.parametrize("kind", VERSION_3, ids=str)
def test_version_3_type_needs_version_3(catalog, namespace, kind):
    with pytest.raises(Exception, match="(?i)v3|version 3|version: 2|3 or higher"):
        create(catalog, namespace, NestedField(1, "v", kind, required=False), version=2)
    assert not catalog.table_exists((*namespace, "t"))


def test_default_values(catalog, namespace):
    table = create(catalog, namespace, NestedField(1, "id", LongType(), required=True), version=3)
    with table.update_schema() as update:
        update.add_column("n", LongType(), default_value=2**53 + 1, required=True)
        update.add_column("flag", BooleanType(), default_value=True, required=True)
        update.add_column("word", StringType(), default_value="none")
    with table.update_schema() as update:
        update.set_default_value("n", -(2**63))
    field = catalog.load_table((*namespace, "t")).schema().find_field
    assert (field("n").initial_default, field("n").write_default, field("n").required) == (2**53 + 1, -(2**63), True)
    assert (field("flag").initial_default, field("flag").required) == (True, True)
    assert field("word").write_default == "none"


def test_an_algorithm_in_quotes_is_refused_with_its_reason(catalog, namespace):
    """PyIceberg alone puts the algorithm in quotes; the specification has five algorithms, and none of them has quotes."""
    with pytest.raises(BadRequestError, match="geography"):
        create(catalog, namespace, NestedField(1, "v", GeographyType("EPSG:4326", "karney"), required=False), version=3)


def test_identifier_fields(catalog, namespace):
    schema = Schema(
        NestedField(7, "a", LongType(), required=True), NestedField(9, "b", StringType(), required=True), identifier_field_ids=[9, 7]
    )
    table = catalog.create_table((*namespace, "t"), schema=schema)
    assert table.schema().identifier_field_names() == {"a", "b"}
    with table.update_schema() as update:
        update.set_identifier_fields("b")
    assert catalog.load_table((*namespace, "t")).schema().identifier_field_names() == {"b"}
