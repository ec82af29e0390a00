"""Ways to tell Trino where the catalog is and who calls."""

import pytest
from trino.exceptions import TrinoQueryError


def schemas(sql, name: str) -> list[str]:
    return [schema for (schema,) in sql(f"SHOW SCHEMAS FROM {name}")]


@pytest.mark.parametrize("endpoint", ["/v1/oauth/tokens", None])
def test_credential(connect, sql, settings, ns, endpoint):
    credential = f"{settings['username']}:{settings['password']}"
    server = endpoint and settings["properties"]["uri"] + endpoint
    name = connect(**{"oauth2.token": None, "oauth2.credential": credential, "oauth2.server-uri": server})
    assert ns in schemas(sql, name)
    sql(f"CREATE TABLE {name}.{ns}.t AS SELECT 1 AS id")
    assert sql(f"SELECT id FROM lake.{ns}.t") == [(1,)]


def test_scope_and_refresh(connect, sql, settings, ns):
    credential = f"{settings['username']}:{settings['password']}"
    options = {"oauth2.scope": "catalog", "oauth2.token-refresh-enabled": "true"}
    name = connect(**{"oauth2.token": None, "oauth2.credential": credential}, **options)
    assert ns in schemas(sql, name)


def test_wrong_credential_is_refused(connect, sql):
    name = connect(**{"oauth2.token": None, "oauth2.credential": "admin:wrong"})
    with pytest.raises(TrinoQueryError, match="Not authorized|invalid_client|Wrong"):
        schemas(sql, name)


def test_wrong_token_is_refused(connect, sql):
    name = connect(**{"oauth2.token": "wrong"})
    with pytest.raises(TrinoQueryError, match="Not authorized"):
        schemas(sql, name)


def test_unknown_warehouse_is_refused(connect, sql):
    name = connect(warehouse="no_such_catalog")
    with pytest.raises(TrinoQueryError, match="no_such_catalog"):
        schemas(sql, name)


def test_uri_that_names_the_catalog(connect, sql, settings, ns):
    properties = settings["properties"]
    name = connect(uri=f"{properties['uri']}/v1/{properties['warehouse']}", warehouse=None)
    sql(f"CREATE TABLE {name}.{ns}.t AS SELECT 1 AS id")
    assert sql(f"SELECT id FROM lake.{ns}.t") == [(1,)]


@pytest.mark.parametrize("spelling", ["{}@main", "{}~main"])
def test_main_branch_by_name(connect, sql, settings, ns, spelling):
    name = connect(warehouse=spelling.format(settings["properties"]["warehouse"]))
    sql(f"CREATE TABLE {name}.{ns}.t AS SELECT 1 AS id")
    assert sql(f"SELECT id FROM lake.{ns}.t") == [(1,)]


def test_a_claimed_user_is_refused(connect, sql):
    """With `session=USER` Trino sends a token that nobody signed, which says who its user is."""
    name = connect(session="USER")
    with pytest.raises(TrinoQueryError, match="Failed to list namespaces"):
        schemas(sql, name)
