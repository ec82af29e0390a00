"""Moments of the catalog under test, for the suites of several clients: what to connect to, to read it as it was."""

import time
from datetime import datetime, timezone
from urllib.parse import quote

from management_api import get


def now() -> str:
    """A time with nothing of before behind it, and nothing of later in front."""
    time.sleep(0.02)
    moment = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    time.sleep(0.02)
    return moment


def changes(properties: dict, **filters: str) -> list[dict]:
    """Lines of the catalog's log, newest first."""
    query = "&".join(f"{key}={quote(value, safe='%')}" for key, value in {"limit": "1000", **filters}.items())
    return get(properties, f"catalogs/{quote(properties['warehouse'])}/commits?{query}")


def at(properties: dict, moment: str | int) -> str:
    """The warehouse to connect to."""
    return f"{properties['warehouse']}@{moment}"
