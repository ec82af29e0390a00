"""How DuckDB is told who calls: a token, or a client id and secret that it exchanges for one."""

import duckdb
import pytest
from conftest import TOKEN, Duck
from started_catalog import PROPERTIES, SETTINGS

CREDENTIAL = f"CLIENT_ID '{SETTINGS['username']}', CLIENT_SECRET '{SETTINGS['password']}'"


def schemas(duck: Duck) -> list[str]:
    found = duck("SELECT schema_name FROM information_schema.schemata WHERE catalog_name = 'lake'")
    return [name for (name,) in found]


def test_token_in_a_secret(duckdb_process, schema):
    duckdb_process(f"CREATE SECRET lake (TYPE iceberg, {TOKEN})")
    assert schema in schemas(duckdb_process.attach("SECRET lake"))


def test_token_in_the_statement(duckdb_process, schema):
    assert schema in schemas(duckdb_process.attach(TOKEN))


def test_client_credentials_with_a_named_token_endpoint(duckdb_process, schema):
    endpoint = f"OAUTH2_SERVER_URI '{PROPERTIES['uri']}/v1/oauth/tokens'"
    duckdb_process(f"CREATE SECRET lake (TYPE iceberg, {CREDENTIAL}, {endpoint})")
    assert schema in schemas(duckdb_process.attach("SECRET lake"))


def test_client_credentials_at_the_catalogs_own_endpoint(duckdb_process, schema):
    assert schema in schemas(duckdb_process.attach(CREDENTIAL, "OAUTH2_SCOPE 'catalog'"))


def test_wrong_password_is_refused(duckdb_process):
    with pytest.raises(duckdb.Error, match="401"):
        duckdb_process.attach(f"CLIENT_ID '{SETTINGS['username']}', CLIENT_SECRET 'wrong'")


def test_wrong_token_is_refused(duckdb_process):
    with pytest.raises(duckdb.Error, match="401"):
        duckdb_process.attach("TOKEN 'wrong'")


def test_unknown_warehouse_is_refused(duckdb_process):
    with pytest.raises(duckdb.Error, match="404"):
        duckdb_process.attach(TOKEN, warehouse="no_such_catalog")


@pytest.mark.parametrize("spelling", ["{}@main", "{}~main"])
def test_main_branch_by_name(duckdb_process, schema, spelling):
    duckdb_process.attach(TOKEN, warehouse=spelling.format(PROPERTIES["warehouse"]))
    duckdb_process(f"CREATE TABLE lake.{schema}.t AS SELECT 1 AS id")
    assert duckdb_process(f"SELECT * FROM lake.{schema}.t") == [(1,)]


def test_uri_with_a_slash_at_its_end(duckdb_process, schema):
    duckdb_process(f"ATTACH '{PROPERTIES['warehouse']}' AS lake (TYPE iceberg, ENDPOINT '{PROPERTIES['uri']}/', {TOKEN})")
    assert schema in schemas(duckdb_process)


def test_asks_for_no_credentials(duckdb_process, schema):
    """`none` leaves out the header that asks for vended credentials: then it gets none."""
    duckdb_process.attach(TOKEN, "ACCESS_DELEGATION_MODE 'none'")
    if SETTINGS["kind"] == "s3":
        with pytest.raises(duckdb.Error):
            duckdb_process(f"CREATE TABLE lake.{schema}.t AS SELECT 1 AS id")
        return
    duckdb_process(f"CREATE TABLE lake.{schema}.t AS SELECT 1 AS id")
    assert duckdb_process(f"SELECT * FROM lake.{schema}.t") == [(1,)]
