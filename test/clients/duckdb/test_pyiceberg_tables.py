"""Tables that PyIceberg wrote, read and changed by DuckDB."""

from datetime import date

import pyarrow as pa
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform
from pyiceberg.types import DateType, DoubleType, LongType, NestedField, StringType

SCHEMA = Schema(
    NestedField(1, "id", LongType(), required=True),
    NestedField(2, "name", StringType()),
    NestedField(3, "day", DateType()),
)
ARROW = pa.schema([pa.field("id", pa.int64(), nullable=False), ("name", pa.string()), ("day", pa.date32())])


def rows(*ids: int) -> pa.Table:
    return pa.Table.from_pylist([{"id": i, "name": f"n{i}", "day": date(2026, 1, i)} for i in ids], schema=ARROW)


def test_read_and_write(duck, catalog, schema):
    spec = PartitionSpec(PartitionField(3, 1000, DayTransform(), "day_day"))
    table = catalog.create_table((schema, "t"), SCHEMA, partition_spec=spec)
    table.append(rows(1, 2, 3))
    assert duck(f"SELECT id, name, day FROM lake.{schema}.t WHERE day = DATE '2026-01-02'") == [(2, "n2", date(2026, 1, 2))]
    duck(f"INSERT INTO lake.{schema}.t VALUES (4, 'duck', DATE '2026-01-04')")
    assert sorted(table.refresh().scan().to_arrow()["id"].to_pylist()) == [1, 2, 3, 4]
    table.delete("id = 1")
    assert duck(f"SELECT id FROM lake.{schema}.t ORDER BY id") == [(2,), (3,), (4,)]


def test_evolved_schema(duck, catalog, schema):
    table = catalog.create_table((schema, "t"), SCHEMA)
    table.append(rows(1))
    with table.update_schema() as update:
        update.rename_column("name", "label")
        update.add_column("ratio", DoubleType())
        update.delete_column("day")
    assert duck(f"FROM lake.{schema}.t") == [(1, "n1", None)]


def test_time_travel(duck, catalog, schema):
    table = catalog.create_table((schema, "t"), SCHEMA)
    table.append(rows(1))
    first = table.current_snapshot().snapshot_id
    table.append(rows(2))
    assert duck(f"SELECT id FROM lake.{schema}.t AT (VERSION => {first})") == [(1,)]
    snapshots = duck(f"SELECT snapshot_id FROM iceberg_snapshots('lake.{schema}.t')")
    assert {snapshot for (snapshot,) in snapshots} == {s.snapshot_id for s in table.snapshots()}


def test_the_current_snapshot_is_the_one_of_main(duck, catalog, schema):
    """A newer snapshot on another branch is not what DuckDB reads."""
    table = catalog.create_table((schema, "t"), SCHEMA)
    table.append(rows(1))
    table.manage_snapshots().create_branch(table.current_snapshot().snapshot_id, "dev").commit()
    table.append(rows(2), branch="dev")
    assert duck(f"SELECT id FROM lake.{schema}.t") == [(1,)]
