"""Row level writes in both modes, reads of earlier states, and several writers."""

import pyarrow as pa
import pytest


@pytest.mark.parametrize("mode", ["copy-on-write", "merge-on-read"])
@pytest.mark.parametrize("version", [2, 3])
def test_insert_update_merge_delete(sql, catalog, ns, mode, version):
    table = f"lake.{ns}.t"
    modes = ", ".join(f"'write.{what}.mode' = '{mode}'" for what in ("delete", "update", "merge"))
    sql(f"CREATE TABLE {table} (id BIGINT, name STRING) TBLPROPERTIES ('format-version' = '{version}', {modes})")
    sql(f"INSERT INTO {table} SELECT id, concat('n', id) FROM range(10)")
    sql(f"UPDATE {table} SET name = 'updated' WHERE id = 2")
    sql(f"DELETE FROM {table} WHERE id IN (3, 4)")
    sql(
        f"""MERGE INTO {table} t USING (SELECT 1L AS id, 'merged' AS name UNION ALL SELECT 100L, 'new') s ON t.id = s.id
        WHEN MATCHED THEN UPDATE SET t.name = s.name WHEN NOT MATCHED THEN INSERT *
        WHEN NOT MATCHED BY SOURCE AND t.id = 9 THEN DELETE"""
    )
    expected = {i: f"n{i}" for i in (0, 5, 6, 7, 8)} | {1: "merged", 2: "updated", 100: "new"}
    assert dict(sql(f"SELECT id, name FROM {table}")) == expected
    if version == 2:
        read = catalog.load_table((ns, "t")).scan().to_arrow().to_pylist()
        assert {row["id"]: row["name"] for row in read} == expected


def test_overwrite(sql, ns):
    table = f"lake.{ns}.t"
    sql(f"CREATE TABLE {table} USING iceberg PARTITIONED BY (k) AS SELECT id, id % 2 AS k FROM range(6)")
    sql(f"INSERT OVERWRITE {table} PARTITION (k = 0) SELECT 100L")
    assert sql(f"SELECT id FROM {table} ORDER BY id") == [(1,), (3,), (5,), (100,)]
    sql(f"TRUNCATE TABLE {table}")
    assert sql(f"SELECT count(*) FROM {table}") == [(0,)]


def test_data_frame_writer(spark, sql, ns):
    table = f"lake.{ns}.t"
    spark.range(5).writeTo(table).tableProperty("a", "b").create()
    spark.range(5, 7).writeTo(table).append()
    assert spark.table(table).count() == 7
    spark.range(3).writeTo(table).overwritePartitions()
    assert spark.table(table).count() == 3


def test_time_travel(sql, spark, ns):
    table = f"lake.{ns}.t"
    sql(f"CREATE TABLE {table} AS SELECT 1 AS id")
    ((first, stamp),) = sql(f"SELECT snapshot_id, committed_at FROM {table}.snapshots")
    sql(f"INSERT INTO {table} VALUES (2)")
    assert sql(f"SELECT id FROM {table} VERSION AS OF {first}") == [(1,)]
    assert sql(f"SELECT id FROM {table} TIMESTAMP AS OF '{stamp}'") == [(1,)]
    assert spark.read.option("start-snapshot-id", first).table(table).collect() == [(2,)]


def test_tables_of_pyiceberg(sql, catalog, ns):
    rows = pa.table({"id": [1, 2, 3], "name": ["a", "b", "c"]})
    table = catalog.create_table((ns, "t"), rows.schema)
    table.append(rows)
    assert sql(f"SELECT id, name FROM lake.{ns}.t ORDER BY id") == [(1, "a"), (2, "b"), (3, "c")]
    sql(f"INSERT INTO lake.{ns}.t VALUES (4, 'spark')")
    table.refresh().append(rows)
    sql(f"REFRESH TABLE lake.{ns}.t")
    assert sql(f"SELECT count(*) FROM lake.{ns}.t") == [(7,)]


def test_wide_integers(sql, ns):
    """Snapshot ids, sequence numbers and values beyond 2^53 arrive as they were."""
    values = "(9007199254740993), (9223372036854775807), (-9223372036854775808)"
    sql(f"CREATE TABLE lake.{ns}.t (id BIGINT) TBLPROPERTIES ('note' = '9007199254740993')")
    sql(f"INSERT INTO lake.{ns}.t VALUES {values}")
    expected = [(-9223372036854775808,), (9007199254740993,), (9223372036854775807,)]
    assert sql(f"SELECT id FROM lake.{ns}.t ORDER BY id") == expected
    ((snapshot,),) = sql(f"SELECT snapshot_id FROM lake.{ns}.t.snapshots")
    assert sql(f"SELECT count(*) FROM lake.{ns}.t VERSION AS OF {snapshot}") == [(3,)]
