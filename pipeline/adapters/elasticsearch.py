"""Elasticsearch, as the search index meets it: one client, and errors that say what to do.

Connecting never waits for a server: the first request does, and raises ViewUnavailable.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from elastic_transport import TransportError
from elasticsearch import (
    ApiError,
    AuthenticationException,
    AuthorizationException,
    Elasticsearch,
    UnsupportedProductError,
)

from pipeline.config import ElasticsearchSettings
from pipeline.errors import SetupError, ViewUnavailable

Client = Elasticsearch

# It warns of every request that meets no answer; who makes the request says so, once.
logging.getLogger("elastic_transport.node_pool").setLevel(logging.ERROR)

LONGEST_REASON: Final = 300
"""Characters of what the server said that are passed on."""


def connect(settings: ElasticsearchSettings) -> Client:
    """A client of the nodes at the URLs; whoever uses it decides what is tried again. Raises SetupError."""
    try:
        return Elasticsearch(
            list(settings.urls),
            api_key=settings.api_key,
            request_timeout=settings.timeout_s,
            max_retries=0,
            retry_on_timeout=False,
        )
    except ValueError:
        # The client's own message may show the URL, and with it a password.
        raise SetupError(
            f"VOXFLOW_ELASTICSEARCH_URL ({settings.address}) or VOXFLOW_ELASTICSEARCH_API_KEY cannot be used: give "
            "each URL a scheme, a host and a port, and either a user and password or the key, not both"
        ) from None


@contextmanager
def answering(settings: ElasticsearchSettings) -> Iterator[None]:
    """Turns what the client raises into errors of ours, in one line that says what to do."""
    try:
        yield
    except UnsupportedProductError as exc:
        raise SetupError(
            f"what answers at {settings.address} is not Elasticsearch: set VOXFLOW_ELASTICSEARCH_URL to a node of it"
        ) from exc
    except (AuthenticationException, AuthorizationException) as exc:
        raise SetupError(
            f"Elasticsearch at {settings.address} refuses these credentials ({exc.status_code}, {said(exc)}): set "
            "VOXFLOW_ELASTICSEARCH_API_KEY to a key that may manage and write the indices"
        ) from exc
    except ApiError as exc:
        raise ViewUnavailable(
            f"Elasticsearch at {settings.address} refuses for now: {exc.status_code}, {said(exc)}"
        ) from exc
    except TransportError as exc:
        raise ViewUnavailable(
            f"Elasticsearch does not answer at {settings.address} ({type(exc).__name__}): start the local stack with "
            "`voxflow up`, or set VOXFLOW_ELASTICSEARCH_URL to your cluster"
        ) from exc


def said(error: ApiError) -> str:
    """What kind of error the server named, and its reason, in one line."""
    body = error.body.get("error") if isinstance(error.body, dict) else error.body
    return reason(body) if isinstance(body, dict) else one_line(str(body or error.message))


def reason(error: dict[str, object]) -> str:
    """Kind and reason of an error as Elasticsearch writes it, with the innermost cause where there is one."""
    texts = [one_line(f"{error.get('type')}: {error.get('reason')}")]
    cause = error.get("caused_by")
    while isinstance(cause, dict):
        texts[1:] = [one_line(str(cause.get("reason")))]
        cause = cause.get("caused_by")
    return ": ".join(texts)


def one_line(text: str) -> str:
    return " ".join(text.split())[:LONGEST_REASON]
