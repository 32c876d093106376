"""Alerts to the people on duty: one JSON message to a webhook, which never fails a batch."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import Any

from pipelines.config.settings import Settings, SettingsError

__all__ = ["send_alert"]

TRIES = 3
SECONDS_TO_ANSWER = 10.0
SECONDS_BETWEEN = 1.0


def send_alert(settings: Settings, text: str, **facts: Any) -> str:
    """Post ``text`` and the facts to the webhook of the settings; returns how it went.

    The body is a JSON object whose ``text`` chat programs show as it is. A webhook that
    cannot be reached is tried ``TRIES`` times, and raises nothing. Its address is a secret,
    so the returned words do not hold it.
    """
    address = settings.webhook.get_secret_value()
    if not address:
        return "no webhook is set"
    if not address.startswith(("https://", "http://")):
        raise SettingsError("setting webhook: must begin with https:// or http://")
    body = json.dumps({"text": text, **facts}, ensure_ascii=False).encode()
    problem = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(SECONDS_BETWEEN * 2**attempt)
        problem = _post(address, body)
        if not problem:
            return "notice sent"
    return f"the notice could not be sent ({problem})"


def _post(address: str, body: bytes) -> str:
    request = urllib.request.Request(  # noqa: S310  # the scheme is checked by the caller
        address, data=body, headers={"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=SECONDS_TO_ANSWER):  # noqa: S310
            return ""
    except urllib.error.HTTPError as error:
        return f"status {error.code}"
    except (urllib.error.URLError, OSError, ValueError) as error:
        return type(error).__name__
