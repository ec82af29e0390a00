import polars as pl
from conftest import ORDERS, rows
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from pyiceberg.types import StringType

FRAME = pl.from_arrow(ORDERS)
MORE = pl.DataFrame({"id": [4], "item": ["pot"], "price": [8.0]})


def read(table: Table, **options) -> list[dict]:
    return pl.scan_iceberg(table, **options).sort("id").collect().to_dicts()


def test_reads_what_pyiceberg_wrote(orders: Table) -> None:
    assert read(orders) == ORDERS.to_pylist()


def test_reads_some_rows_and_columns(orders: Table) -> None:
    found = pl.scan_iceberg(orders).filter(pl.col("price") > 2).select("id").sort("id").collect()
    assert found["id"].to_list() == [2, 3]


def test_reads_an_earlier_snapshot(orders: Table) -> None:
    first = orders.history()[0].snapshot_id
    assert read(orders, snapshot_id=first) == ORDERS.to_pylist()[:2]


def test_reads_a_table_whose_columns_have_changed(orders: Table) -> None:
    with orders.update_schema() as update:
        update.rename_column("item", "thing")
        update.add_column("note", StringType())
    found = read(orders.refresh())
    assert [row["thing"] for row in found] == ["tea", "cup", None]
    assert [row["note"] for row in found] == [None] * 3


def test_appends_and_overwrites(orders: Table) -> None:
    MORE.write_iceberg(orders, mode="append")
    assert rows(orders) == [*ORDERS.to_pylist(), *MORE.to_dicts()]
    FRAME.write_iceberg(orders, mode="overwrite")
    assert rows(orders) == ORDERS.to_pylist()


def test_a_lazy_frame_is_written_as_it_comes(orders: Table) -> None:
    # What is written as it comes takes no credentials from the table.
    storage = {key: value for key, value in orders.io.properties.items() if key.startswith("s3.")}
    MORE.lazy().sink_iceberg(orders, mode="append", storage_options=storage or None)
    assert rows(orders) == [*ORDERS.to_pylist(), *MORE.to_dicts()]
    assert read(orders.refresh()) == rows(orders)


def test_partitions(catalog: Catalog, namespace: str) -> None:
    table = catalog.create_table((namespace, "parts"), ORDERS.schema)
    with table.update_spec() as update:
        update.add_identity("item")
    FRAME.write_iceberg(table.refresh(), mode="append")
    assert rows(table) == ORDERS.to_pylist()
    assert pl.scan_iceberg(table).filter(pl.col("item") == "cup").collect()["id"].to_list() == [2]
