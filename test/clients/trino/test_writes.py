"""Inserts and changes of rows."""

from concurrent.futures import ThreadPoolExecutor

import pytest


@pytest.fixture
def table(sql, ns) -> str:
    sql(
        f"""CREATE TABLE lake.{ns}.t WITH (partitioning = ARRAY['k']) AS
        SELECT x AS id, 'n' || cast(x AS varchar) AS name, x % 2 AS k FROM UNNEST(sequence(1, 6)) AS s(x)"""
    )
    return f"lake.{ns}.t"


def ids(sql, table: str) -> list[int]:
    return [row[0] for row in sql(f"SELECT id FROM {table} ORDER BY id")]


def test_update_delete_merge(sql, catalog, ns, table):
    assert sql(f"UPDATE {table} SET name = 'changed' WHERE id IN (1, 2)") == [(2,)]
    assert sql(f"DELETE FROM {table} WHERE id = 3") == [(1,)]
    sql(
        f"""MERGE INTO {table} AS t USING (VALUES (1, 'gone'), (4, 'merged'), (9, 'new')) AS s(id, name) ON t.id = s.id
        WHEN MATCHED AND s.name = 'gone' THEN DELETE WHEN MATCHED THEN UPDATE SET name = s.name
        WHEN NOT MATCHED THEN INSERT (id, name, k) VALUES (s.id, s.name, 1)"""
    )
    assert sql(f"SELECT id, name FROM {table} ORDER BY id") == [(2, "changed"), (4, "merged"), (5, "n5"), (6, "n6"), (9, "new")]
    operations = [row[0] for row in sql(f'SELECT operation FROM lake.{ns}."t$snapshots" ORDER BY committed_at')]
    assert operations[0] == "append" and "overwrite" in operations
    rows = catalog.load_table((ns, "t")).scan().to_arrow().sort_by("id").to_pylist()
    assert [row["id"] for row in rows] == [2, 4, 5, 6, 9]


def test_whole_partitions_and_all(sql, ns, table):
    sql(f"DELETE FROM {table} WHERE k = 1")
    assert ids(sql, table) == [2, 4, 6]
    sql(f"TRUNCATE TABLE {table}")
    assert ids(sql, table) == []
    sql(f"INSERT INTO {table} (id) VALUES 7")
    assert ids(sql, table) == [7]


def test_writers_at_once(sql, run, table):
    def insert(number: int) -> None:
        sql(f"INSERT INTO {table} VALUES ({number}, 'x', 0)")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(insert, range(10, 14)))
    assert ids(sql, table) == [1, 2, 3, 4, 5, 6, 10, 11, 12, 13]


def test_hashed_paths(sql, catalog, ns):
    """With the object store layout, files lie below the table's own folder, in folders named after hashes."""
    sql(f"CREATE TABLE lake.{ns}.t (id integer) WITH (object_store_layout_enabled = true)")
    sql(f"INSERT INTO lake.{ns}.t VALUES 1, 2")
    sql(f"UPDATE lake.{ns}.t SET id = 3 WHERE id = 1")
    table = catalog.load_table((ns, "t"))
    assert table.properties["write.object-storage.enabled"] == "true"
    assert sql(f'SELECT "$path" FROM lake.{ns}.t')[0][0].startswith(f"{table.location()}/data/")
    assert ids(sql, f"lake.{ns}.t") == [2, 3]


def test_data_elsewhere(sql, catalog, ns):
    sql(f"CREATE TABLE lake.{ns}.t (id integer)")
    place = f"{catalog.load_table((ns, 't')).location().rsplit('/', 1)[0]}/data-of-u"
    sql(f"CREATE TABLE lake.{ns}.u (id integer) WITH (object_store_layout_enabled = true, data_location = '{place}')")
    sql(f"INSERT INTO lake.{ns}.u VALUES 1")
    assert sql(f'SELECT "$path" FROM lake.{ns}.u')[0][0].startswith(f"{place}/")
