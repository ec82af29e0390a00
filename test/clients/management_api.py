"""What the suites of several clients ask of the management API, with the token of the catalog that they were given."""

import re
from datetime import datetime, timezone
from pathlib import Path
from time import sleep
from urllib.parse import quote, urlencode

import requests


def ask(properties: dict, method: str, path: str, body: dict | None = None):
    headers = {"Authorization": f"Bearer {properties['token']}"}
    answer = requests.request(method, f"{properties['uri']}/api/v1/{path}", json=body, headers=headers, timeout=30)
    assert answer.ok, answer.text
    return answer.json() if answer.content else None


def get(properties: dict, path: str):
    return ask(properties, "GET", path)


def post(properties: dict, path: str, body: dict) -> dict:
    return ask(properties, "POST", path, body)


def narrowed_token(properties: dict, access: str, *parts: dict, **fields) -> str:
    """A token with this access, to parts of the catalog under test; everywhere without parts."""
    within = {"within": [{"catalog": properties["warehouse"], **part} for part in parts]} if parts else {}
    return post(properties, "tokens", {"access": access, **within, **fields})["token"]


def make_signing_catalog(settings: dict, name: str) -> None:
    """A catalog in the bucket under test, whose warehouse hands out nothing and signs."""
    properties, storage = settings["properties"], settings["storage"]
    config = {
        "type": "s3", "bucket": storage["bucket"], "prefix": name, "endpoint": storage["endpoint"], "region": storage["region"],
        "access_key_id": storage["accessKey"], "secret_access_key": storage["secretKey"],
    }
    post(properties, "warehouses", {"name": name, "storage_config": config, "vending_strategy": {"AwsSigning": {}}})
    post(properties, "catalogs", {"name": name, "warehouse_name": name})


def log_of(properties: dict, **filters: str) -> list[dict]:
    """Lines of the catalog's log that are about this, oldest first."""
    asked = urlencode({"order": "asc", "limit": 1000, **filters})
    return get(properties, f"catalogs/{quote(properties['warehouse'])}/commits?{asked}")


def time_of(line: dict) -> str:
    at = datetime.fromtimestamp(line["timestamp"] / 1000, timezone.utc)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def moment_of(properties: dict, namespace: str, spelling: str = "time") -> str:
    """How to name what the catalog is now, after the last change in this namespace."""
    line = log_of(properties, namespace=namespace)[-1]
    moment = {"time": time_of(line), "position": line["position"], "change": line["id"]}[spelling]
    # Changes within a millisecond are of one time.
    sleep(0.01)
    return f"{properties['warehouse']}@{moment}"


def guide_to_the_past(properties: dict, language: str, moment: str, namespace: str) -> list[str]:
    """Blocks of docs/clients.md on reading a catalog as it was, with what they leave to the reader filled in."""
    page = (Path(__file__).parents[2] / "docs" / "clients.md").read_text()
    chapter = re.search(r"^## Reading a catalog as it was\n(.*?)^## ", page, re.MULTILINE | re.DOTALL)[1]
    for blank, value in {
        "http://127.0.0.1:8080": properties["uri"],
        "<token>": properties["token"],
        "lake@2026-12-01T09:30:00Z": moment,
        "lake@42": moment,
        "demo.": f"{namespace}.",
        '"demo"': f'"{namespace}"',
    }.items():
        chapter = chapter.replace(blank, value)
    return re.findall(rf"^```{language}\n(.*?)^```", chapter, re.MULTILINE | re.DOTALL)
