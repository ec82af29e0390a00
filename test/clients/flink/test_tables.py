"""Creating, writing, reading, changing and dropping tables in batch jobs."""

import pyarrow as pa
import pytest
from conftest import FlinkError


def test_types_and_partitions(sql, catalog, ns):
    sql(
        f"""CREATE TABLE lake.{ns}.t (id BIGINT NOT NULL COMMENT 'key', name STRING, amount DECIMAL(10, 2), `day` DATE,
        `at` TIMESTAMP(6), zoned TIMESTAMP_LTZ(6), flag BOOLEAN, `raw` BYTES, pair ROW<a INT, b ARRAY<STRING>>, counts MAP<STRING, DOUBLE>)
        COMMENT 'a comment' PARTITIONED BY (name, `day`) WITH ('format-version' = '2', 'write.format.default' = 'parquet')"""
    )
    sql(
        f"""INSERT INTO lake.{ns}.t VALUES (1, 'a b/c', 1.5, DATE '2026-01-01', TIMESTAMP '2026-01-01 00:00:00.123456',
        CAST(TIMESTAMP '2026-01-01 00:00:00' AS TIMESTAMP_LTZ(6)), TRUE, x'00ff', ROW(1, ARRAY['x']), MAP['k', CAST(1.0 AS DOUBLE)]),
        (2, CAST(NULL AS STRING), CAST(NULL AS DECIMAL(10, 2)), CAST(NULL AS DATE), CAST(NULL AS TIMESTAMP(6)),
        CAST(NULL AS TIMESTAMP_LTZ(6)), CAST(NULL AS BOOLEAN), CAST(NULL AS BYTES), CAST(NULL AS ROW<a INT, b ARRAY<STRING>>),
        CAST(NULL AS MAP<STRING, DOUBLE>))"""
    )
    assert sorted(sql(f"SELECT id, pair.b[1], counts['k'] FROM lake.{ns}.t")) == [(1, "x", 1.0), (2, None, None)]
    assert sql(f"SELECT name, `day` FROM lake.{ns}.t WHERE id = 1") == [("a b/c", "2026-01-01")]
    table = catalog.load_table((ns, "t"))
    assert [str(field.transform) for field in table.spec().fields] == ["identity", "identity"]
    assert table.schema().find_field("id").required
    rows = table.scan().to_arrow().sort_by("id").to_pylist()
    assert rows[0]["raw"] == b"\x00\xff" and rows[0]["pair"] == {"a": 1, "b": ["x"]} and rows[1]["name"] is None


def test_insert_overwrite(sql, ns):
    sql(f"CREATE TABLE lake.{ns}.t (id BIGINT, k STRING) PARTITIONED BY (k)")
    sql(f"INSERT INTO lake.{ns}.t VALUES (1, 'a'), (2, 'b')")
    sql(f"INSERT OVERWRITE lake.{ns}.t VALUES (3, 'b')")
    assert sorted(sql(f"SELECT id, k FROM lake.{ns}.t")) == [(1, "a"), (3, "b")]
    sql(f"INSERT OVERWRITE lake.{ns}.t PARTITION (k = 'a') SELECT CAST(4 AS BIGINT)")
    assert sorted(sql(f"SELECT id, k FROM lake.{ns}.t")) == [(3, "b"), (4, "a")]


@pytest.mark.parametrize("version", [2, 3])
def test_upsert(sql, catalog, ns, version):
    sql(
        f"""CREATE TABLE lake.{ns}.t (id BIGINT, name STRING, PRIMARY KEY (id) NOT ENFORCED)
        WITH ('format-version' = '{version}', 'write.upsert.enabled' = 'true')"""
    )
    sql(f"INSERT INTO lake.{ns}.t VALUES (1, 'a'), (2, 'b')")
    sql(f"INSERT INTO lake.{ns}.t VALUES (1, 'c'), (3, 'd')")
    assert sorted(sql(f"SELECT id, name FROM lake.{ns}.t")) == [(1, "c"), (2, "b"), (3, "d")]
    table = catalog.load_table((ns, "t"))
    assert table.metadata.format_version == version and table.schema().identifier_field_names() == {"id"}


def test_alter(sql, catalog, ns):
    table = f"lake.{ns}.t"
    sql(f"CREATE TABLE {table} (id BIGINT, name STRING)")
    sql(f"INSERT INTO {table} VALUES (1, 'a')")
    sql(f"ALTER TABLE {table} ADD (extra INT COMMENT 'a note' AFTER id)")
    sql(f"ALTER TABLE {table} MODIFY extra BIGINT")
    sql(f"ALTER TABLE {table} RENAME name TO label")
    sql(f"INSERT INTO {table} (id, extra, label) VALUES (2, 5, 'b')")
    assert sorted(sql(f"SELECT id, extra, label FROM {table}")) == [(1, None, "a"), (2, 5, "b")]
    sql(f"ALTER TABLE {table} DROP extra")
    sql(f"ALTER TABLE {table} SET ('comment' = 'changed', 'p' = 'q')")
    sql(f"ALTER TABLE {table} RESET ('p')")
    assert [row[0] for row in sql(f"DESCRIBE {table}")] == ["id", "label"]
    loaded = catalog.load_table((ns, "t"))
    assert loaded.properties["comment"] == "changed" and "p" not in loaded.properties
    assert loaded.schema().find_field("label").field_id == 2


def test_like_rename_drop(sql, catalog, ns):
    sql(f"CREATE TABLE lake.{ns}.t (id BIGINT, k STRING) PARTITIONED BY (k) WITH ('p' = 'q')")
    sql(f"CREATE TABLE lake.{ns}.u LIKE lake.{ns}.t")
    assert catalog.load_table((ns, "u")).properties["p"] == "q"
    with pytest.raises(FlinkError, match="already exists|AlreadyExists"):
        sql(f"CREATE TABLE lake.{ns}.u (id BIGINT)")
    sql(f"ALTER TABLE lake.{ns}.u RENAME TO v")
    assert sorted(sql(f"SHOW TABLES IN lake.{ns}")) == [("t",), ("v",)]
    sql(f"DROP TABLE lake.{ns}.v")
    assert catalog.list_tables(ns) == [(ns, "t")]


def test_create_as_select(sql, ns):
    sql(f"CREATE TABLE lake.{ns}.t (id BIGINT, name STRING)")
    sql(f"INSERT INTO lake.{ns}.t VALUES (1, 'a'), (2, 'b')")
    sql(f"CREATE TABLE lake.{ns}.made WITH ('format-version' = '2') AS SELECT id * 10 AS tenfold FROM lake.{ns}.t")
    assert sorted(sql(f"SELECT tenfold FROM lake.{ns}.made")) == [(10,), (20,)]


def test_time_travel(sql, catalog, ns):
    sql(f"CREATE TABLE lake.{ns}.t (id BIGINT)")
    for number in (1, 2, 3):
        sql(f"INSERT INTO lake.{ns}.t VALUES ({number})")
    table = catalog.load_table((ns, "t"))
    first, second, _ = [snapshot.snapshot_id for snapshot in table.snapshots()]
    table.manage_snapshots().create_tag(second, "two").create_branch(first, "side").commit()

    def read(option: str) -> list[tuple]:
        return sorted(sql(f"SELECT id FROM lake.{ns}.t /*+ OPTIONS({option}) */"))

    assert read(f"'snapshot-id' = '{first}'") == [(1,)]
    assert read(f"'as-of-timestamp' = '{table.snapshots()[1].timestamp_ms}'") == [(1,), (2,)]
    assert read("'tag' = 'two'") == [(1,), (2,)]
    assert read("'branch' = 'side'") == [(1,)]
    assert read(f"'start-snapshot-id' = '{first}', 'end-snapshot-id' = '{second}'") == [(2,)]
    sql(f"INSERT INTO lake.{ns}.t /*+ OPTIONS('branch' = 'side') */ VALUES (9)")
    assert read("'branch' = 'side'") == [(1,), (9,)]
    assert sorted(sql(f"SELECT id FROM lake.{ns}.t")) == [(1,), (2,), (3,)]


def test_metadata_tables(sql, ns):
    sql(f"CREATE TABLE lake.{ns}.t (id BIGINT, k STRING) PARTITIONED BY (k)")
    sql(f"INSERT INTO lake.{ns}.t VALUES (1, 'a'), (2, 'b')")
    for name, least in {"history": 1, "snapshots": 1, "files": 2, "manifests": 1, "partitions": 2, "refs": 1}.items():
        assert sql(f"SELECT count(*) >= {least} FROM lake.{ns}.`t${name}`") == [(True,)], name


def test_tables_of_pyiceberg(sql, catalog, ns):
    catalog.create_table((ns, "t"), pa.schema([("id", pa.int64()), ("name", pa.string())])).append(
        pa.table({"id": [1, 2], "name": ["a", None]})
    )
    assert sorted(sql(f"SELECT id, name FROM lake.{ns}.t")) == [(1, "a"), (2, None)]
    sql(f"INSERT INTO lake.{ns}.t VALUES (3, 'c')")
    assert sorted(catalog.load_table((ns, "t")).scan().to_arrow()["id"].to_pylist()) == [1, 2, 3]
