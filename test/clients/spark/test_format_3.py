"""What format version 3 adds, as far as Spark writes it."""


def test_row_lineage(sql, catalog, ns):
    table = f"lake.{ns}.t"
    sql(f"CREATE TABLE {table} TBLPROPERTIES ('format-version' = '3') AS SELECT id FROM range(3)")
    sql(f"INSERT INTO {table} VALUES (3), (4)")
    assert sql(f"SELECT id, _row_id FROM {table} ORDER BY id") == [(i, i) for i in range(5)]
    sql(f"UPDATE {table} SET id = 100 WHERE id = 1")
    ((row, sequence),) = sql(f"SELECT _row_id, _last_updated_sequence_number FROM {table} WHERE id = 100")
    assert (row, sequence) == (1, 3)
    assert catalog.load_table((ns, "t")).metadata.next_row_id >= 5


def test_upgrade_in_use(sql, ns):
    table = f"lake.{ns}.t"
    sql(f"CREATE TABLE {table} TBLPROPERTIES ('format-version' = '2') AS SELECT id FROM range(3)")
    sql(f"ALTER TABLE {table} SET TBLPROPERTIES ('format-version' = '3')")
    sql(f"INSERT INTO {table} VALUES (3)")
    rows = sql(f"SELECT id, _row_id FROM {table} ORDER BY id")
    assert [number for number, _ in rows] == [0, 1, 2, 3]
    assert len({row for _, row in rows}) == 4 and None not in {row for _, row in rows}


def test_deletion_vectors(sql, ns):
    table = f"lake.{ns}.t"
    modes = "'format-version' = '3', 'write.delete.mode' = 'merge-on-read'"
    sql(f"CREATE TABLE {table} TBLPROPERTIES ({modes}) AS SELECT id FROM range(10)")
    sql(f"DELETE FROM {table} WHERE id = 2")
    sql(f"DELETE FROM {table} WHERE id = 5")
    assert sql(f"SELECT count(*) FROM {table}") == [(8,)]
    assert sql(f"SELECT content, file_format, record_count FROM {table}.delete_files") == [(1, "PUFFIN", 2)]


def test_variant(sql, ns):
    table = f"lake.{ns}.t"
    sql(f"CREATE TABLE {table} (id BIGINT, doc VARIANT) TBLPROPERTIES ('format-version' = '3')")
    sql(f"""INSERT INTO {table} VALUES (1, parse_json('{{"a": 1}}')), (2, parse_json('[1, 2]')), (3, NULL)""")
    assert sql(f"SELECT id, variant_get(doc, '$.a', 'int') FROM {table} ORDER BY id") == [(1, 1), (2, None), (3, None)]
