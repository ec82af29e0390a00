"""Branches and tags of one table."""


def test_branches(sql, ns):
    table = f"lake.{ns}.t"
    sql(f"CREATE TABLE {table} AS SELECT 1 AS id")
    sql(f"ALTER TABLE {table} CREATE BRANCH dev RETAIN 7 DAYS WITH SNAPSHOT RETENTION 2 SNAPSHOTS 3 DAYS")
    sql(f"INSERT INTO {table}.branch_dev VALUES (2)")
    assert sql(f"SELECT count(*) FROM {table}") == [(1,)]
    assert sql(f"SELECT count(*) FROM {table} VERSION AS OF 'dev'") == [(2,)]
    refs = sql(f"SELECT name, type, max_reference_age_in_ms, min_snapshots_to_keep, max_snapshot_age_in_ms FROM {table}.refs")
    day = 86_400_000
    assert sorted(refs) == [("dev", "BRANCH", 7 * day, 2, 3 * day), ("main", "BRANCH", None, None, None)]
    sql(f"CALL lake.system.fast_forward('{ns}.t', 'main', 'dev')")
    assert sql(f"SELECT count(*) FROM {table}") == [(2,)]
    sql(f"ALTER TABLE {table} REPLACE BRANCH dev RETAIN 1 DAYS")
    sql(f"ALTER TABLE {table} DROP BRANCH dev")
    assert [name for (name,) in sql(f"SELECT name FROM {table}.refs")] == ["main"]


def test_tags(sql, ns):
    table = f"lake.{ns}.t"
    sql(f"CREATE TABLE {table} AS SELECT 1 AS id")
    sql(f"ALTER TABLE {table} CREATE TAG v1 RETAIN 365 DAYS")
    sql(f"INSERT INTO {table} VALUES (2)")
    assert sql(f"SELECT id FROM {table} VERSION AS OF 'v1'") == [(1,)]
    sql(f"ALTER TABLE {table} CREATE OR REPLACE TAG v1")
    assert sql(f"SELECT count(*) FROM {table} VERSION AS OF 'v1'") == [(2,)]
    sql(f"ALTER TABLE {table} DROP TAG v1")
    sql(f"ALTER TABLE {table} DROP TAG IF EXISTS v1")


def test_write_audit_publish(spark, sql, ns):
    table = f"lake.{ns}.t"
    sql(f"CREATE TABLE {table} TBLPROPERTIES ('write.wap.enabled' = 'true') AS SELECT 1 AS id")
    spark.conf.set("spark.wap.id", "audit")
    try:
        sql(f"INSERT INTO {table} VALUES (2)")
    finally:
        spark.conf.unset("spark.wap.id")
    assert sql(f"SELECT count(*) FROM {table}") == [(1,)]
    sql(f"CALL lake.system.publish_changes('{ns}.t', 'audit')")
    assert sql(f"SELECT count(*) FROM {table}") == [(2,)]


def test_rollback_and_cherry_pick(sql, ns):
    table = f"lake.{ns}.t"
    sql(f"CREATE TABLE {table} AS SELECT 1 AS id")
    ((first,),) = sql(f"SELECT snapshot_id FROM {table}.snapshots")
    sql(f"INSERT INTO {table} VALUES (2)")
    second = sql(f"SELECT snapshot_id FROM {table}.snapshots ORDER BY committed_at")[1][0]
    sql(f"CALL lake.system.rollback_to_snapshot('{ns}.t', {first})")
    assert sql(f"SELECT count(*) FROM {table}") == [(1,)]
    sql(f"CALL lake.system.set_current_snapshot('{ns}.t', {second})")
    assert sql(f"SELECT count(*) FROM {table}") == [(2,)]
    sql(f"CALL lake.system.rollback_to_snapshot('{ns}.t', {first})")
    sql(f"CALL lake.system.cherrypick_snapshot('{ns}.t', {second})")
    assert sql(f"SELECT count(*) FROM {table}") == [(2,)]
