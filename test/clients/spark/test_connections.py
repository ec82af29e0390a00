"""Ways to tell Spark where the catalog is and who calls. A catalog may be configured while the session runs."""

import uuid

import pytest
from py4j.protocol import Py4JJavaError


def connect(spark, settings, **overrides: str | None) -> str:
    """Name of a catalog of its own, as another session would have it."""
    name = f"c{uuid.uuid4().hex[:8]}"
    asking = {"header.X-Iceberg-Access-Delegation": "vended-credentials"}
    properties = {**asking, **settings["properties"], **overrides}
    spark.conf.set(f"spark.sql.catalog.{name}", "org.apache.iceberg.spark.SparkCatalog")
    for key, value in properties.items():
        if value is not None:
            spark.conf.set(f"spark.sql.catalog.{name}.{key}", value)
    return name


def namespaces(sql, name: str) -> list[tuple]:
    return sql(f"SHOW NAMESPACES IN {name}")


@pytest.mark.parametrize("endpoint", ["/v1/oauth/tokens", None])
def test_credential(spark, sql, settings, ns, endpoint):
    credential = f"{settings['username']}:{settings['password']}"
    uri = endpoint and settings["properties"]["uri"] + endpoint
    name = connect(spark, settings, token=None, credential=credential, **{"oauth2-server-uri": uri})
    assert (ns,) in namespaces(sql, name)


def test_wrong_credential_is_refused(spark, sql, settings):
    name = connect(spark, settings, token=None, credential="admin:wrong")
    with pytest.raises(Py4JJavaError, match="NotAuthorizedException"):
        namespaces(sql, name)


def test_wrong_token_is_refused(spark, sql, settings):
    name = connect(spark, settings, token="wrong")
    with pytest.raises(Py4JJavaError, match="NotAuthorizedException"):
        namespaces(sql, name)


def test_unknown_warehouse_is_refused(spark, sql, settings):
    name = connect(spark, settings, warehouse="no_such_catalog")
    with pytest.raises(Py4JJavaError, match="no_such_catalog"):
        namespaces(sql, name)


def test_uri_that_names_the_catalog(spark, sql, settings, ns):
    properties = settings["properties"]
    name = connect(spark, settings, uri=f"{properties['uri']}/v1/{properties['warehouse']}", warehouse=None)
    sql(f"CREATE TABLE {name}.{ns}.t AS SELECT 1 AS id")
    assert sql(f"SELECT id FROM lake.{ns}.t") == [(1,)]


@pytest.mark.parametrize("spelling", ["{}@main", "{}~main"])
def test_main_branch_by_name(spark, sql, settings, ns, spelling):
    name = connect(spark, settings, warehouse=spelling.format(settings["properties"]["warehouse"]))
    sql(f"CREATE TABLE {name}.{ns}.t AS SELECT 1 AS id")
    assert sql(f"SELECT id FROM lake.{ns}.t") == [(1,)]


def test_access_delegation_header(spark, sql, settings, ns):
    """Asking for credentials that the server does not hand out leaves the session with its own."""
    name = connect(spark, settings, **{"header.X-Iceberg-Access-Delegation": "vended-credentials"})
    sql(f"CREATE TABLE {name}.{ns}.t AS SELECT 1 AS id")
    assert sql(f"SELECT id FROM {name}.{ns}.t") == [(1,)]


def test_snapshots_on_demand(spark, sql, settings, ns):
    sql(f"CREATE TABLE lake.{ns}.t AS SELECT 1 AS id")
    sql(f"INSERT INTO lake.{ns}.t VALUES (2)")
    name = connect(spark, settings, **{"snapshot-loading-mode": "refs"})
    assert sql(f"SELECT count(*) FROM {name}.{ns}.t") == [(2,)]
    assert len(sql(f"SELECT snapshot_id FROM {name}.{ns}.t.snapshots")) == 2
    sql(f"INSERT INTO {name}.{ns}.t VALUES (3)")
    sql(f"REFRESH TABLE lake.{ns}.t")
    assert len(sql(f"SELECT snapshot_id FROM lake.{ns}.t.snapshots")) == 3


def test_pages(spark, sql, settings, ns):
    for number in range(5):
        sql(f"CREATE NAMESPACE lake.{ns}.n{number}")
    name = connect(spark, settings, **{"rest-page-size": "2"})
    assert len(sql(f"SHOW NAMESPACES IN {name}.{ns}")) == 5
