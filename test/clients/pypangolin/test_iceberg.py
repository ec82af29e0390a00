"""The PyIceberg catalog that the SDK makes: its URI names the catalog, it sends no warehouse and asks for credentials."""

import pyarrow as pa
import pytest
from pypangolin import PangolinClient, get_iceberg_catalog
from pyiceberg.catalog import Catalog
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField

ROWS = pa.table({"id": [1, 2, 3], "item": ["apple", "pear", "plum"]})


def write_and_read(catalog: Catalog, namespace: str) -> None:
    catalog.create_namespace(namespace)
    table = catalog.create_table(f"{namespace}.orders", schema=ROWS.schema)
    table.append(ROWS)
    table.append(ROWS.slice(0, 1))
    again = catalog.load_table(f"{namespace}.orders")
    assert sorted(again.scan().to_arrow()["id"].to_pylist()) == [1, 1, 2, 3]
    assert catalog.list_tables(namespace) == [(namespace, "orders")]
    catalog.rename_table(f"{namespace}.orders", f"{namespace}.sales")
    assert catalog.table_exists(f"{namespace}.sales")
    with catalog.create_table_transaction(f"{namespace}.staged", Schema(NestedField(1, "n", LongType()))) as transaction:
        transaction.set_properties(a="b")
    assert catalog.load_table(f"{namespace}.staged").properties["a"] == "b"
    for name in ("sales", "staged"):
        catalog.drop_table(f"{namespace}.{name}")
    catalog.drop_namespace(namespace)


@pytest.mark.parametrize("vending", [True, False])
def test_tables_are_written_and_read(client: PangolinClient, uri: str, settings: dict, name: str, vending: bool) -> None:
    keys = {key: value for key, value in settings["properties"].items() if key.startswith("s3.")}
    catalog = get_iceberg_catalog(
        settings["properties"]["warehouse"],
        uri=uri,
        token=client.token,
        tenant_id="00000000-0000-0000-0000-000000000000",
        credential_vending=vending,
        **keys,
    )
    write_and_read(catalog, name.replace("-", "_"))


def test_a_warehouse_and_catalog_of_the_sdk_hold_tables(client: PangolinClient, uri: str, settings: dict, name: str) -> None:
    if settings["kind"] != "s3":
        pytest.skip("needs a warehouse on S3")
    storage = settings["storage"]
    client.warehouses.create_s3(
        name,
        storage["bucket"],
        region=storage["region"],
        access_key=storage["accessKey"],
        secret_key=storage["secretKey"],
        prefix=name,
        endpoint=storage["endpoint"],
        **{"s3.path-style-access": "true"},
    )
    client.catalogs.create(name, name)
    # Nothing but the token: endpoint, region and the warehouse's static credentials come from the server.
    write_and_read(get_iceberg_catalog(name, uri=uri, token=client.token), "shop")
