"""Ways to tell Flink where the catalog is and who calls."""

import pytest
from conftest import FlinkError


def databases(sql, name: str) -> list[tuple]:
    return sql(f"SHOW DATABASES IN {name}")


def token_only(settings) -> dict[str, str | None]:
    return {"credential": None, "scope": None, "token": settings["properties"]["token"]}


@pytest.mark.parametrize("endpoint", ["/v1/oauth/tokens", None])
def test_credential(connect, sql, settings, ns, endpoint):
    credential = f"{settings['username']}:{settings['password']}"
    uri = endpoint and settings["properties"]["uri"] + endpoint
    name = connect(token=None, credential=credential, **{"oauth2-server-uri": uri})
    assert (ns,) in databases(sql, name)


def test_wrong_credential_is_refused(connect, settings):
    with pytest.raises(FlinkError, match="NotAuthorizedException"):
        connect(token=None, credential="admin:wrong")


def test_wrong_token_is_refused(connect, settings):
    with pytest.raises(FlinkError, match="NotAuthorizedException"):
        connect(**token_only(settings) | {"token": "wrong"})


def test_unknown_warehouse_is_refused(connect):
    with pytest.raises(FlinkError, match="no_such_catalog"):
        connect(warehouse="no_such_catalog")


@pytest.mark.parametrize("spelling", ["{}@main", "{}~main"])
def test_main_branch_by_name(connect, sql, settings, ns, spelling):
    name = connect(warehouse=spelling.format(settings["properties"]["warehouse"]))
    sql(f"CREATE TABLE {name}.{ns}.t (id BIGINT)")
    assert sql(f"SHOW TABLES IN lake.{ns}") == [("t",)]


def test_the_database_that_flink_starts_in(connect, sql, settings):
    """Flink's own default for a catalog's current database is `default`, and it lists that one's tables."""
    name = connect(**{"default-database": None})
    sql(f"USE CATALOG {name}")
    try:
        assert sql("SHOW TABLES") == []
        assert sql("SHOW CURRENT DATABASE") == [("default",)]
    finally:
        sql("USE CATALOG lake")


def test_a_namespace_as_the_base_of_all_databases(connect, sql, catalog, ns):
    """Flink knows two levels of names. With `base-namespace` the second one lies where that says."""
    catalog.create_namespace((ns, "inner"))
    name = connect(**{"base-namespace": ns, "default-database": "inner"})
    assert databases(sql, name) == [("inner",)]
    sql(f"CREATE TABLE {name}.`inner`.t (id BIGINT)")
    assert catalog.list_tables((ns, "inner")) == [(ns, "inner", "t")]
