import daft
from conftest import ORDERS, rows
from daft.catalog import Catalog as DaftCatalog
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

MORE = {"id": [4], "item": ["pot"], "price": [8.0]}


def read(table: Table) -> list[dict]:
    return daft.read_iceberg(table.refresh()).sort("id").to_pylist()


def test_reads_what_pyiceberg_wrote(orders: Table) -> None:
    assert read(orders) == ORDERS.to_pylist()


def test_reads_some_rows_and_columns(orders: Table) -> None:
    found = daft.read_iceberg(orders).where(daft.col("price") > 2).select("id").sort("id")
    assert found.to_pydict() == {"id": [2, 3]}


def test_reads_an_earlier_snapshot(orders: Table) -> None:
    first = orders.history()[0].snapshot_id
    assert daft.read_iceberg(orders, snapshot_id=first).count_rows() == 2


def test_appends_and_overwrites(orders: Table) -> None:
    daft.from_pydict(MORE).write_iceberg(orders, mode="append")
    assert [row["id"] for row in rows(orders)] == [1, 2, 3, 4]
    daft.from_arrow(ORDERS).write_iceberg(orders.refresh(), mode="overwrite")
    assert rows(orders) == ORDERS.to_pylist()


def test_goes_through_the_catalog(catalog: Catalog, namespace: str, orders: Table) -> None:
    through = DaftCatalog.from_iceberg(catalog)
    assert through.has_namespace(namespace)
    assert [str(name) for name in through.list_tables(namespace)] == [f"{namespace}.orders"]
    table = through.create_table(f"{namespace}.copy", through.get_table(f"{namespace}.orders").read())
    assert table.read().count_rows() == 3
    assert rows(catalog.load_table((namespace, "copy"))) == ORDERS.to_pylist()
    through.drop_table(f"{namespace}.copy")
    assert not catalog.table_exists((namespace, "copy"))
