"""Views, as far as PyIceberg speaks of them: create, load, list, exists, register, drop."""

import pytest
import requests
from pyiceberg.exceptions import NoSuchViewError, TableAlreadyExistsError, ViewAlreadyExistsError
from pyiceberg.schema import Schema
from pyiceberg.types import LongType, NestedField, StringType
from pyiceberg.view.metadata import SQLViewRepresentation, ViewRepresentation, ViewVersion
from support import PEOPLE

SCHEMA = Schema(NestedField(1, "id", LongType(), required=False), NestedField(2, "label", StringType(), required=False))


def version(namespace, **changes) -> ViewVersion:
    spark = SQLViewRepresentation(type="sql", sql="SELECT id, name AS label FROM t -- 日本", dialect="spark")
    trino = SQLViewRepresentation(type="sql", sql='SELECT id, name "label" FROM t', dialect="trino")
    values = {
        "schema_id": 0, "summary": {"engine-name": "test"}, "default_namespace": list(namespace), "default_catalog": "lake",
        "representations": [ViewRepresentation(root=spark), ViewRepresentation(root=trino)], "timestamp_ms": 1_763_000_000_000,
    }
    return ViewVersion(**{**values, **changes})


def create(catalog, identifier, namespace, **options):
    return catalog.create_view(identifier, schema=SCHEMA, view_version=version(namespace), **options)


@pytest.mark.parametrize("name", ["v", "dotted.name", "UPPER", "a-b_c~"])
def test_create_load_list_drop(catalog, namespace, name):
    identifier = (*namespace, name)
    created = create(catalog, identifier, namespace, properties={"comment": "my view"})
    view = catalog.load_view(identifier)
    assert view == created
    assert view.name() == identifier
    assert view.schema().column_names == ["id", "label"]
    assert view.sql_for("SPARK").sql == "SELECT id, name AS label FROM t -- 日本"
    assert view.sql_for("trino").sql == 'SELECT id, name "label" FROM t'
    assert view.sql_for("presto") is None
    assert view.properties["comment"] == "my view"
    assert view.current_version().summary["engine-name"] == "test"
    assert tuple(view.current_version().default_namespace) == namespace
    assert view.current_version().default_catalog == "lake"
    assert [entry.version_id for entry in view.history()] == [view.metadata.current_version_id]
    assert catalog.list_views(namespace) == [identifier]
    assert catalog.list_tables(namespace) == []
    assert catalog.view_exists(identifier)
    catalog.drop_view(identifier)
    assert not catalog.view_exists(identifier)
    assert catalog.list_views(namespace) == []


@pytest.mark.parametrize("name", ["with space", "a/b", "100%", "%2F", "日本", "?&=#"])
def test_odd_names(catalog, namespace, name):
    """PyIceberg percent-encodes the name in the body of its own create_view, so that another client has to create these."""
    create(catalog, (*namespace, "model"), namespace)
    views = catalog.url("namespaces/{namespace}/views", namespace=catalog._encode_namespace_path(namespace))
    model = catalog._session.get(f"{views}/model").json()["metadata"]
    body = {"name": name, "schema": model["schemas"][0], "view-version": model["versions"][0], "properties": {}}
    answer = catalog._session.post(views, json=body)
    assert answer.status_code == requests.codes.ok, answer.text
    identifier = (*namespace, name)
    assert catalog.view_exists(identifier)
    assert catalog.load_view(identifier).schema().column_names == ["id", "label"]
    assert sorted(catalog.list_views(namespace)) == sorted([identifier, (*namespace, "model")])
    catalog.drop_view(identifier)
    assert catalog.list_views(namespace) == [(*namespace, "model")]


def test_missing(catalog, namespace):
    assert not catalog.view_exists((*namespace, "v"))
    with pytest.raises(NoSuchViewError):
        catalog.load_view((*namespace, "v"))
    with pytest.raises(NoSuchViewError):
        catalog.drop_view((*namespace, "v"))


def test_views_and_tables_share_their_names(catalog, namespace):
    create(catalog, (*namespace, "v"), namespace)
    catalog.create_table((*namespace, "t"), schema=PEOPLE)
    with pytest.raises(ViewAlreadyExistsError):
        create(catalog, (*namespace, "v"), namespace)
    with pytest.raises(ViewAlreadyExistsError):
        create(catalog, (*namespace, "t"), namespace)
    with pytest.raises(TableAlreadyExistsError):
        catalog.create_table((*namespace, "v"), schema=PEOPLE)
    assert not catalog.table_exists((*namespace, "v"))
    assert not catalog.view_exists((*namespace, "t"))
    with pytest.raises(TableAlreadyExistsError):
        catalog.rename_table((*namespace, "t"), (*namespace, "v"))
    assert catalog.table_exists((*namespace, "t"))


def test_register_view(catalog, namespace):
    from urllib.parse import quote

    create(catalog, (*namespace, "v"), namespace)
    url = catalog.url("namespaces/{namespace}/views/v", namespace=quote(namespace[0], safe=""))
    location = catalog._session.get(url).json()["metadata-location"]
    catalog.drop_view((*namespace, "v"))
    view = catalog.register_view((*namespace, "back"), location)
    assert view.sql_for("spark").sql == "SELECT id, name AS label FROM t -- 日本"
    assert catalog.list_views(namespace) == [(*namespace, "back")]


def test_many_views(catalog, namespace):
    names = [f"view_{index:03}" for index in range(30)]
    for name in names:
        create(catalog, (*namespace, name), namespace)
    assert sorted(catalog.list_views(namespace)) == [(*namespace, name) for name in names]
