"""Time travel and maintenance."""

import pytest
from trino.exceptions import TrinoQueryError


@pytest.fixture
def table(sql, ns) -> str:
    sql(f"CREATE TABLE lake.{ns}.t (id integer)")
    for number in (1, 2, 3):
        sql(f"INSERT INTO lake.{ns}.t VALUES {number}")
    return f"lake.{ns}.t"


def ids(sql, source: str) -> list[int]:
    return [row[0] for row in sql(f"SELECT id FROM {source} ORDER BY id")]


def test_time_travel(sql, catalog, ns, table):
    history = sql(f'SELECT snapshot_id, cast(committed_at AS varchar) FROM lake.{ns}."t$snapshots" ORDER BY committed_at')
    snapshot, at = history[-2]
    assert ids(sql, f"{table} FOR VERSION AS OF {snapshot}") == [1, 2]
    assert ids(sql, f"{table} FOR TIMESTAMP AS OF TIMESTAMP '{at}'") == [1, 2]
    loaded = catalog.load_table((ns, "t"))
    loaded.manage_snapshots().create_tag(snapshot, "two").create_branch(history[-3][0], "side").commit()
    assert ids(sql, f"{table} FOR VERSION AS OF 'two'") == [1, 2]
    assert ids(sql, f"{table} FOR VERSION AS OF 'side'") == [1]
    assert {row[0] for row in sql(f'SELECT name FROM lake.{ns}."t$refs"')} == {"main", "two", "side"}
    with pytest.raises(TrinoQueryError):
        ids(sql, f"{table} FOR VERSION AS OF 17")


def test_rollback(sql, ns, table):
    snapshot = sql(f'SELECT snapshot_id FROM lake.{ns}."t$snapshots" ORDER BY committed_at')[-2][0]
    sql(f"ALTER TABLE {table} EXECUTE rollback_to_snapshot({snapshot})")
    assert ids(sql, table) == [1, 2]
    sql(f"INSERT INTO {table} VALUES 4")
    assert ids(sql, table) == [1, 2, 4]


def test_optimize_and_expire(sql, run, catalog, ns, table):
    sql(f"DELETE FROM {table} WHERE id = 2")
    sql(f"ALTER TABLE {table} EXECUTE optimize")
    sql(f"ALTER TABLE {table} EXECUTE optimize_manifests")
    assert sql(f'SELECT count(*) FROM lake.{ns}."t$files"') == [(1,)]
    run("SET SESSION lake.expire_snapshots_min_retention = '0s'")
    run("SET SESSION lake.remove_orphan_files_min_retention = '0s'")
    before = len(catalog.load_table((ns, "t")).snapshots())
    sql(f"ALTER TABLE {table} EXECUTE expire_snapshots(retention_threshold => '0s')")
    sql(f"ALTER TABLE {table} EXECUTE remove_orphan_files(retention_threshold => '0s')")
    assert before > len(catalog.load_table((ns, "t")).snapshots()) == 1
    assert ids(sql, table) == [1, 3]
    sql(f"INSERT INTO {table} VALUES 5")
    assert ids(sql, table) == [1, 3, 5]
