"""How a client reaches the catalog: token, OAuth login, the doubled form of the URL; and how a stranger does not."""

import time

import pytest
import requests
from conftest import connect
from pyiceberg.exceptions import OAuthError, RESTError, UnauthorizedError
from support import PEOPLE, ids, people


@pytest.fixture(scope="module", autouse=True)
def only_with_a_server(settings):
    if settings["properties"]["type"] != "rest":
        pytest.skip("this catalog has no server")


def use(catalog, namespace) -> None:
    catalog.create_table((*namespace, "t"), schema=PEOPLE).append(people((1, "a")))
    assert ids(catalog.load_table((*namespace, "t"))) == [1]
    assert catalog.list_tables(namespace) == [(*namespace, "t")]


def test_oauth_login_with_name_and_password(settings, namespace):
    use(connect(token=None, credential=f"{settings['username']}:{settings['password']}"), namespace)


def test_oauth_login_with_scope_and_explicit_endpoint(settings, namespace):
    uri = settings["properties"]["uri"]
    use(
        connect(
            token=None, credential=f"{settings['username']}:{settings['password']}", scope="PRINCIPAL_ROLE:ALL",
            **{"oauth2-server-uri": f"{uri}/v1/oauth/tokens"},
        ),
        namespace,
    )


def test_oauth_login_with_the_auth_manager(settings, namespace):
    uri = settings["properties"]["uri"]
    use(
        connect(token=None, auth={"type": "oauth2", "oauth2": {
            "client_id": settings["username"], "client_secret": settings["password"], "token_url": f"{uri}/v1/oauth/tokens",
        }}),
        namespace,
    )


def test_doubled_url(settings, namespace):
    """Pangolin's own SDK appends /v1/{catalog} to the URL and names no warehouse."""
    uri, warehouse = settings["properties"]["uri"], settings["properties"]["warehouse"]
    use(connect(uri=f"{uri}/v1/{warehouse}", warehouse=None), namespace)


def test_doubled_url_with_a_warehouse_and_login(settings, namespace):
    uri, warehouse = settings["properties"]["uri"], settings["properties"]["warehouse"]
    use(connect(uri=f"{uri}/v1/{warehouse}", token=None, credential=f"{settings['username']}:{settings['password']}"), namespace)


def test_trailing_slash(settings, namespace):
    use(connect(uri=settings["properties"]["uri"] + "/"), namespace)


@pytest.mark.parametrize("token", ["wrong", "a.b.c", "", "None"])
def test_wrong_token(token):
    with pytest.raises(UnauthorizedError):
        connect(token=token or "e30.e30.").list_namespaces()


def test_a_token_with_another_signature(settings):
    token = settings["properties"]["token"]
    forged = token[:-4] + ("AAAA" if not token.endswith("AAAA") else "BBBB")
    with pytest.raises(UnauthorizedError):
        connect(token=forged)


def test_no_token():
    """PyIceberg without any credentials."""
    with pytest.raises(UnauthorizedError):
        connect(token=None).list_namespaces()


def test_wrong_password(settings):
    with pytest.raises((OAuthError, UnauthorizedError)) as refused:
        connect(token=None, credential=f"{settings['username']}:wrong")
    assert settings["password"] not in str(refused.value)


def test_unknown_warehouse(settings):
    with pytest.raises(RESTError, match="(?i)warehouse.*nowhere|nowhere"):
        connect(warehouse="nowhere")


def test_errors_in_the_specifications_shape(catalog, namespace):
    url = catalog.url("namespaces/{namespace}/tables/missing", namespace=catalog._encode_namespace_path(namespace))
    answer = catalog._session.get(url)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["type"]) == (requests.codes.not_found, 404, "NoSuchTableException")
    assert "missing" in error["message"]


def test_config_lists_what_works(catalog):
    config = catalog._session.get(catalog.url("config", prefixed=False), params={"warehouse": catalog.properties["warehouse"]}).json()
    assert {"defaults", "overrides", "endpoints"} <= set(config)
    for endpoint in ("POST /v1/{prefix}/transactions/commit", "POST /v1/{prefix}/namespaces/{namespace}/register"):
        assert endpoint in config["endpoints"]
    assert len(config["endpoints"]) == len(set(config["endpoints"]))


def test_two_sessions_see_each_other_at_once(catalog, namespace):
    """No cache between a commit and another client's load."""
    other = connect()
    table = catalog.create_table((*namespace, "t"), schema=PEOPLE)
    handle = other.load_table((*namespace, "t"))
    for number in range(10):
        table.append(people((number, "x")))
        assert handle.refresh().metadata_location == table.metadata_location
    started = time.monotonic()
    assert ids(handle) == list(range(10))
    assert time.monotonic() >= started
