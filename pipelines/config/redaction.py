"""One function that takes passwords out of text, used wherever an address may be shown.

Addresses carry credentials in two places, and both come out of any text, also out of the middle
of a library's error message::

    postgresql://ana:pa%40ss@db/mlflow   →  postgresql://***@db/mlflow
    https://host/hook?token=3f9&x=1      →  https://host/hook?token=***&x=1

A user's name goes too: a token is often written there alone (``https://TOKEN@host``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

from data.errors import DataError

__all__ = ["errors_redacted", "redact", "redacting", "split_credentials"]

HIDDEN = "***"
P = ParamSpec("P")
R = TypeVar("R")

# Up to the last @ of the authority: a password that was not encoded may hold another one.
_CREDENTIALS = re.compile(r"""([A-Za-z][A-Za-z0-9+.-]*://)[^\s/?#"'<>]*@""")
# The name of a table on MLflow's page is called a key too, and opens nothing by itself.
_PARAMETERS = re.compile(
    r"""([?&;](?!viewStateShareKey=)(?:[a-z_]*(?:password|passwd|pwd|token|secret|signature|key)|sig|auth)=)[^\s&;#"'<>]+""",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """``text`` with the credentials of every address in it replaced by ``***``.

    >>> redact("no answer from http://ana:s3cret@mlflow:5000/api")
    'no answer from http://***@mlflow:5000/api'
    >>> redact("see https://prefect.io/docs, mail ana@example.org")
    'see https://prefect.io/docs, mail ana@example.org'
    """
    if "://" not in text and "=" not in text:
        return text
    return _PARAMETERS.sub(rf"\1{HIDDEN}", _CREDENTIALS.sub(rf"\1{HIDDEN}@", text))


def split_credentials(address: str) -> tuple[str, str, str]:
    """An address without its credentials, the user's name and the password, both decoded.

    >>> split_credentials("https://ana:pa%40ss@host:5000/x")
    ('https://host:5000/x', 'ana', 'pa@ss')
    >>> split_credentials("https://host/x")
    ('https://host/x', '', '')
    """
    parts = urlsplit(address)
    credentials, _, host = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    return urlunsplit(parts._replace(netloc=host)), unquote(user), unquote(password)


@contextmanager
def errors_redacted() -> Iterator[None]:
    """Let no error out of the block whose message, or that of a cause, shows credentials.

    Such an error becomes a ``DataError`` without them, and without its causes: what records the
    error records their messages too.
    """
    try:
        yield
    except Exception as error:
        if not any(redact(str(one)) != str(one) for one in _chain(error)):
            raise
        kind = "" if isinstance(error, DataError) else f"{type(error).__name__}: "
        raise DataError(f"{kind}{redact(str(error))}") from None


def redacting(function: Callable[P, R]) -> Callable[P, R]:
    """``function``, whose errors show no credentials; see :func:`errors_redacted`."""

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        with errors_redacted():
            return function(*args, **kwargs)

    return guarded


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
