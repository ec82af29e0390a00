"""Partition specs with every transform, their evolution, and sort orders."""

from datetime import date, datetime, timezone
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pytest
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import NullOrder, SortDirection, SortField, SortOrder
from pyiceberg.transforms import (
    BucketTransform, DayTransform, HourTransform, IdentityTransform, MonthTransform, TruncateTransform, VoidTransform, YearTransform,
)
from pyiceberg.types import (
    BinaryType, DateType, DecimalType, IntegerType, LongType, NestedField, StringType, StructType, TimestampType, TimestamptzType,
    UUIDType,
)
from support import PEOPLE, ids, people

MOMENT = datetime(2026, 11, 23, 16, 5)
CASES = [
    (IdentityTransform(), LongType(), 7, 7),
    (IdentityTransform(), StringType(), "a/b=c%", "a/b=c%"),
    (IdentityTransform(), DateType(), date(1969, 7, 20), -165),
    (BucketTransform(16), LongType(), 34, 3),
    (BucketTransform(100), StringType(), "iceberg", 89),
    (BucketTransform(10), UUIDType(), UUID("f79c3e09-677c-4bbd-a479-3f349cb785e7").bytes, 0),
    (BucketTransform(5), DateType(), date(2026, 11, 23), None),
    (TruncateTransform(10), LongType(), -1, -10),
    (TruncateTransform(3), StringType(), "iceberg", "ice"),
    (TruncateTransform(50), DecimalType(9, 2), Decimal("10.65"), Decimal("10.50")),
    (YearTransform(), DateType(), date(2026, 11, 23), 56),
    (MonthTransform(), TimestampType(), MOMENT, 682),
    (DayTransform(), TimestamptzType(), MOMENT.replace(tzinfo=timezone.utc), 20780),
    (HourTransform(), TimestampType(), MOMENT, 498736),
    (VoidTransform(), BinaryType(), b"x", None),
]


@pytest.mark.parametrize(("transform", "kind", "value", "partition"), CASES, ids=[f"{case[0]} of {case[1]}" for case in CASES])
def test_transform(catalog, namespace, transform, kind, value, partition):
    schema = Schema(NestedField(1, "id", LongType(), required=False), NestedField(2, "v", kind, required=False))
    spec = PartitionSpec(PartitionField(source_id=2, field_id=1000, transform=transform, name="part"))
    catalog.create_table((*namespace, "t"), schema=schema, partition_spec=spec)
    table = catalog.load_table((*namespace, "t"))
    assert [(field.name, field.transform, field.source_id) for field in table.spec().fields] == [("part", transform, 2)]
    assert table.metadata.last_partition_id == 1000
    arrow = table.schema().as_arrow()
    columns = [pa.array([1, 2], arrow.field("id").type), pa.array([value, None], arrow.field("v").type)]
    table.append(pa.table(columns, schema=arrow))
    read = catalog.load_table((*namespace, "t"))
    assert ids(read) == [1, 2]
    found = [entry["part"] for entry in read.inspect.partitions()["partition"].to_pylist()]
    assert None in found
    if partition is not None:
        assert partition in [(one - date(1970, 1, 1)).days if isinstance(one, date) else one for one in found]


def test_spec_on_a_nested_field_and_several_fields(catalog, namespace):
    schema = Schema(
        NestedField(1, "id", LongType(), required=True),
        NestedField(2, "who", StructType(NestedField(3, "country", StringType(), required=False)), required=False),
    )
    spec = PartitionSpec(
        PartitionField(source_id=3, field_id=1000, transform=IdentityTransform(), name="who.country"),
        PartitionField(source_id=1, field_id=1001, transform=BucketTransform(4), name="id_bucket"),
    )
    catalog.create_table((*namespace, "t"), schema=schema, partition_spec=spec)
    table = catalog.load_table((*namespace, "t"))
    country = table.schema().find_field("who.country").field_id
    assert [(field.source_id, field.field_id) for field in table.spec().fields] == [(country, 1000), (1, 1001)]


def test_evolution(catalog, namespace):
    """Data written under each of three specs is found again, and no partition field id is used twice."""
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    table.append(people((1, "a")))
    with table.update_spec() as update:
        update.add_identity("name")
    table.append(people((2, "b")))
    with table.update_spec() as update:
        update.remove_field("name")
        update.add_field("id", BucketTransform(8), "bucketed")
    table.append(people((3, "c")))
    with table.update_spec() as update:
        update.rename_field("bucketed", "id_bucketed")
    table.append(people((4, "d")))
    read = catalog.load_table((*namespace, "t"))
    assert ids(read) == [1, 2, 3, 4]
    assert ids(read, row_filter="name == 'b' or id == 3") == [2, 3]
    assert len(read.specs()) == 4
    assert [field.name for field in read.spec().fields] == ["id_bucketed"]
    by_id = {field.field_id: field.transform for spec in read.specs().values() for field in spec.fields}
    assert by_id == {1000: IdentityTransform(), 1001: BucketTransform(8)}
    assert read.metadata.last_partition_id == 1001


def test_evolution_back_to_an_earlier_spec_reuses_it(catalog, namespace):
    spec = PartitionSpec(PartitionField(source_id=2, field_id=1000, transform=IdentityTransform(), name="name"))
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE, partition_spec=spec)
    with table.update_spec() as update:
        update.remove_field("name")
    assert table.spec().is_unpartitioned() and table.spec().spec_id == 1
    with table.update_spec() as update:
        update.add_identity("name")
    read = catalog.load_table((*namespace, "t"))
    assert (read.spec().spec_id, len(read.specs())) == (0, 2)


def test_version_1_keeps_a_removed_partition_field_as_void(catalog, namespace):
    spec = PartitionSpec(PartitionField(source_id=2, field_id=1000, transform=IdentityTransform(), name="name"))
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE, partition_spec=spec, properties={"format-version": "1"})
    table.append(people((1, "a")))
    with table.update_spec() as update:
        update.remove_field("name")
    table.append(people((2, "b")))
    read = catalog.load_table((*namespace, "t"))
    assert [field.transform for field in read.spec().fields] == [VoidTransform()]
    assert ids(read) == [1, 2]


def test_sort_order(catalog, namespace):
    order = SortOrder(
        SortField(source_id=2, transform=TruncateTransform(2), direction=SortDirection.DESC, null_order=NullOrder.NULLS_FIRST),
        SortField(source_id=1, transform=IdentityTransform(), direction=SortDirection.ASC, null_order=NullOrder.NULLS_LAST),
    )
    catalog.create_table((*namespace, "t"), schema=PEOPLE, sort_order=order)
    table = catalog.load_table((*namespace, "t"))
    assert table.sort_order().order_id == 1
    assert table.sort_order().fields == order.fields
    table.append(people((1, "a")))
    with table.update_sort_order() as update:
        update.asc("name", IdentityTransform())
    read = catalog.load_table((*namespace, "t"))
    assert read.sort_order().order_id == 2
    assert [(field.source_id, field.direction) for field in read.sort_order().fields] == [(2, SortDirection.ASC)]
    assert sorted(read.sort_orders()) == [1, 2]


def test_unsorted_is_order_0(catalog, namespace):
    catalog.create_table((*namespace, "t"), schema=PEOPLE)
    table = catalog.load_table((*namespace, "t"))
    assert table.sort_order().order_id == 0 and table.sort_order().is_unsorted


def test_source_of_a_partition_cannot_be_dropped(catalog, namespace):
    schema = Schema(NestedField(1, "a", IntegerType(), required=False), NestedField(2, "b", IntegerType(), required=False))
    spec = PartitionSpec(PartitionField(source_id=1, field_id=1000, transform=IdentityTransform(), name="a"))
    table = catalog.create_table((*namespace, "t"), schema=schema, partition_spec=spec)
    with pytest.raises(Exception, match="(?i)partition|source|field"):
        with table.update_schema() as update:
            update.delete_column("a")
    assert catalog.load_table((*namespace, "t")).schema().column_names == ["a", "b"]
