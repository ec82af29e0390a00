"""What the SDK does with warehouses, catalogs and namespaces."""

import pytest
import requests
from pypangolin import PangolinClient
from pypangolin.exceptions import AuthenticationError, ConflictError, NotFoundError, PangolinError, ValidationError

SECRET = "a-secret-that-never-comes-back"


def test_login_by_name_and_password_token_and_key(client: PangolinClient, uri: str, settings: dict) -> None:
    assert client.token and client.token != settings["properties"]["token"]
    token = settings["properties"]["token"]
    for other in (PangolinClient(uri, token=token), PangolinClient(uri, api_key=token), PangolinClient(uri, token=client.token)):
        assert settings["properties"]["warehouse"] in [catalog.name for catalog in other.catalogs.list()]
    with pytest.raises(AuthenticationError):
        PangolinClient(uri, settings["username"], "wrong")
    with pytest.raises(AuthenticationError):
        PangolinClient(uri, token="wrong").catalogs.list()


def test_a_tenant_named_by_the_client_is_its_own(uri: str, settings: dict) -> None:
    other = PangolinClient(uri, settings["username"], settings["password"], tenant_id="00000000-0000-0000-0000-000000000000")
    assert other.catalogs.list()


def test_a_warehouse_is_made_listed_changed_and_dropped(client: PangolinClient, uri: str, name: str) -> None:
    made = client.warehouses.create_s3(
        name, "a-bucket", region="eu-west-1", access_key="an-id", secret_key=SECRET, prefix="some/prefix", endpoint="http://127.0.0.1:9"
    )
    assert made.name == name
    assert made.storage_config["s3.bucket"] == "a-bucket"
    assert made.storage_config["s3.region"] == "eu-west-1"
    assert name in [warehouse.name for warehouse in client.warehouses.list()]
    assert [warehouse.name for warehouse in client.warehouses.list(limit=1)] != []
    # Nothing listens there: a change is tested before it is saved.
    with pytest.raises(PangolinError, match="its test failed"):
        client.warehouses.update(name, storage_config={"s3.region": "us-east-2"})
    changed = requests.put(
        f"{uri}/api/v1/warehouses/{name}?test=false",
        headers={"Authorization": f"Bearer {client.token}"},
        json={"storage_config": {"s3.region": "us-east-2"}},
        timeout=30,
    ).json()
    assert changed["changed"] == ["storage_config.s3.region"]
    [kept] = [warehouse for warehouse in client.warehouses.list() if warehouse.name == name]
    assert (kept.storage_config["s3.region"], kept.storage_config["s3.bucket"]) == ("us-east-2", "a-bucket")
    with pytest.raises(ConflictError):
        client.warehouses.create_s3(name, "another", access_key="an-id", secret_key=SECRET)
    answer = requests.get(f"{uri}/api/v1/warehouses", headers={"Authorization": f"Bearer {client.token}"}, timeout=30)
    assert answer.ok and SECRET not in answer.text
    client.warehouses.delete(name)
    assert name not in [warehouse.name for warehouse in client.warehouses.list()]
    with pytest.raises(NotFoundError):
        client.warehouses.delete(name)


def test_a_warehouse_without_keys_is_what_the_sdk_makes_of_it(client: PangolinClient, name: str) -> None:
    # The SDK sends {"AwsStatic": {}} here.
    assert client.warehouses.create_s3(name, "a-bucket").name == name
    client.warehouses.delete(name)


def test_a_catalog_is_made_listed_changed_and_dropped(client: PangolinClient, name: str) -> None:
    client.warehouses.create_s3(name, "a-bucket", access_key="an-id", secret_key=SECRET)
    made = client.catalogs.create(name, name)
    assert (made.name, made.warehouse_name, made.catalog_type) == (name, name, "Local")
    assert client.catalogs.get(name) == made
    assert made in client.catalogs.list()
    assert client.catalogs.update(name, {"owner": "ada"}).properties == {"owner": "ada"}
    assert client.catalogs.get(name).properties == {"owner": "ada"}
    with pytest.raises(ConflictError):
        client.catalogs.create(name, name)
    with pytest.raises(ConflictError):
        client.warehouses.delete(name)
    client.catalogs.delete(name)
    with pytest.raises(NotFoundError):
        client.catalogs.get(name)
    client.warehouses.delete(name)


def test_what_is_wrong_is_said(client: PangolinClient, name: str) -> None:
    with pytest.raises(PangolinError) as refused:
        client.catalogs.create(name, "no-such-warehouse")
    assert refused.value.status_code == 400 and "no-such-warehouse" in str(refused.value)
    with pytest.raises(ValidationError):
        client.post("/api/v1/catalogs", json={"name": name, "warehouse_name": "local", "tenant_id": "another"})
    with pytest.raises(PangolinError):
        client.catalogs.create(name, "local", type="Federated")
    with pytest.raises(NotFoundError):
        client.catalogs.get(name)


def test_namespaces(client: PangolinClient, settings: dict, name: str) -> None:
    namespaces = client.catalogs.namespaces(settings["properties"]["warehouse"])
    made = namespaces.create([name], {"a": "b"})
    assert made.name == [name]
    assert made.properties["a"] == "b" and made.properties["location"].endswith(f"/{name}")
    namespaces.create([name, "inner"])
    assert [name] in namespaces.list()
    assert namespaces.list(parent=name) == [[name, "inner"]]
    with pytest.raises(ConflictError):
        namespaces.create([name])
    with pytest.raises(NotFoundError):
        client.catalogs.namespaces("no-such-catalog").list()
