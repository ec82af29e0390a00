"""Tokens as the SDK makes, lists, replaces and revokes them."""

import time

import pytest
from pypangolin import PangolinClient
from pypangolin.exceptions import AuthenticationError, AuthorizationError, NotFoundError, ValidationError


def of(client: PangolinClient, token: str) -> dict:
    """What the list says of a token; its id stands in it."""
    (found,) = [listed for listed in client.tokens.list_my_tokens() if listed["id"] == token.split("_")[1]]
    return found


def refused_soon(uri: str, token: str) -> None:
    time.sleep(1.1)
    with pytest.raises(AuthenticationError):
        PangolinClient(uri, token=token).catalogs.list()


def test_generate_list_rotate_revoke(client: PangolinClient, uri: str) -> None:
    first = client.tokens.generate(expires_in_hours=2)["token"]
    with_it = PangolinClient(uri, token=first)
    assert with_it.warehouses.list()
    listed = of(client, first)
    assert listed["is_valid"] and "token" not in listed and first not in str(client.tokens.list_my_tokens())
    second = client.tokens.rotate(listed["id"])["token"]
    assert PangolinClient(uri, api_key=second).catalogs.list()
    assert of(client, second)["expires_at"] == listed["expires_at"]
    refused_soon(uri, first)
    client.tokens.revoke(of(client, second)["id"])
    refused_soon(uri, second)
    with pytest.raises(NotFoundError):
        client.tokens.revoke(second.split("_")[1])


def test_for_oneself_only(client: PangolinClient, settings: dict) -> None:
    assert client.tokens.generate(username=settings["username"], roles=["tenant-admin"])["token"]
    with pytest.raises(AuthorizationError):
        client.tokens.generate(username="somebody")
    with pytest.raises(AuthorizationError):
        client.tokens.generate(tenant_id="11111111-1111-1111-1111-111111111111")
    with pytest.raises(ValidationError):
        client.post("/api/v1/tokens", json={"user_id": "another"})


def test_a_narrowed_one_sees_its_catalog_and_manages_nothing(client: PangolinClient, uri: str, settings: dict) -> None:
    warehouse = settings["properties"]["warehouse"]
    made = client.post("/api/v1/tokens", json={"access": "read-write", "within": [{"catalog": warehouse}]})
    narrowed = PangolinClient(uri, token=made["token"])
    assert [catalog.name for catalog in narrowed.catalogs.list()] == [warehouse]
    assert narrowed.catalogs.get(warehouse).name == warehouse
    assert [listed["id"] for listed in narrowed.tokens.list_my_tokens()] == [made["id"]]
    for attempt in (
        narrowed.warehouses.list,
        narrowed.tokens.generate,
        lambda: narrowed.catalogs.delete(warehouse),
        lambda: narrowed.catalogs.create("another", "local"),
        lambda: narrowed.warehouses.delete("local"),
    ):
        with pytest.raises(AuthorizationError):
            attempt()
