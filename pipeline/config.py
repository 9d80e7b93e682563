"""Settings, one frozen dataclass a concern, read once from an environment mapping and handed down.

Only entry points (the command line, jobs/) call ``from_environ``; everything below receives the piece it needs.
A malformed variable is reported with its name, its value and what was expected.
"""

import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pipeline.errors import SetupError

INDEX_PREFIX: Final = re.compile(r"[a-z][a-z0-9-]{0,99}")


@dataclass(frozen=True, slots=True)
class Topics:
    """Names of the Kafka topics; the version is part of the name so that formats can change side by side."""

    audio: str = "speech.audio.v1"
    dead_letters: str = "speech.audio.dlq.v1"
    partials: str = "speech.partial.v1"
    finals: str = "speech.final.v1"
    usage: str = "speech.usage.v1"
    delivery_dead_letters: str = "speech.delivery.dlq.v1"

    def prefixed(self, prefix: str) -> "Topics":
        """The same topics for another installation on the same Kafka."""
        return Topics(**{field.name: prefix + getattr(self, field.name) for field in fields(self)})


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """How to reach Kafka."""

    bootstrap_servers: str = "localhost:9092"
    topics: Topics = field(default_factory=Topics)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "KafkaSettings":
        """Reads VOXFLOW_BOOTSTRAP_SERVERS (without it: the local stack's broker) and VOXFLOW_TOPIC_PREFIX."""
        default = f"localhost:{integer(environ, 'VOXFLOW_KAFKA_PORT', 9092)}"
        return cls(
            bootstrap_servers=environ.get("VOXFLOW_BOOTSTRAP_SERVERS", default),
            topics=Topics().prefixed(environ.get("VOXFLOW_TOPIC_PREFIX", "")),
        )


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """How to reach Redis. ``url`` may hold a password: show ``address`` instead, as the repr does."""

    url: str = field(default="redis://localhost:6379/0", repr=False)
    address: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", _redis_address(self.url))

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "RedisSettings":
        """Reads VOXFLOW_REDIS_URL; without it, the local stack's Redis (VOXFLOW_REDIS_PORT). Raises SetupError."""
        default = f"redis://localhost:{integer(environ, 'VOXFLOW_REDIS_PORT', 6379)}/0"
        return cls(url=environ.get("VOXFLOW_REDIS_URL", default))


@dataclass(frozen=True, slots=True)
class ElasticsearchSettings:
    """How to reach Elasticsearch, and what its indices are called and how long they are kept.

    URLs may hold a user and a password, and ``api_key`` is one: show ``address`` instead, as the repr does. All names
    of indices begin with ``prefix``, but for ``usage_index``, which holds the usage and is kept for ever. An index of
    texts is deleted ``retention_days`` after its month is over; 0 keeps all.
    """

    urls: tuple[str, ...] = field(default=("http://localhost:9200",), repr=False)
    api_key: str | None = field(default=None, repr=False)
    prefix: str = "voxflow-transcripts"
    usage_index: str = "voxflow-usage"
    retention_days: int = 365
    timeout_s: float = 30.0
    address: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", ", ".join(_http_address(url) for url in self.urls or ("",)))
        names = {"VOXFLOW_ELASTICSEARCH_PREFIX": self.prefix, "VOXFLOW_ELASTICSEARCH_USAGE_INDEX": self.usage_index}
        for variable, name in names.items():
            if not INDEX_PREFIX.fullmatch(name):
                raise SetupError(
                    f"{variable}={name!r} is no name for indices: use lower-case letters, digits and dashes, 100 at "
                    "most, and begin with a letter"
                )
        if self.usage_index == self.prefix:
            raise SetupError(
                f"VOXFLOW_ELASTICSEARCH_USAGE_INDEX={self.usage_index!r} is what the texts' indices are called: "
                "give the usage another name"
            )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "ElasticsearchSettings":
        """Reads VOXFLOW_ELASTICSEARCH_URL (several separated by commas; without it, the local stack's node,
        VOXFLOW_ELASTICSEARCH_PORT), VOXFLOW_ELASTICSEARCH_API_KEY, VOXFLOW_ELASTICSEARCH_PREFIX,
        VOXFLOW_ELASTICSEARCH_USAGE_INDEX and VOXFLOW_RETENTION_DAYS. Raises SetupError."""
        default = f"http://localhost:{integer(environ, 'VOXFLOW_ELASTICSEARCH_PORT', 9200)}"
        urls = environ.get("VOXFLOW_ELASTICSEARCH_URL", default).split(",")
        return cls(
            urls=tuple(url.strip() for url in urls if url.strip()),
            api_key=environ.get("VOXFLOW_ELASTICSEARCH_API_KEY") or None,
            prefix=environ.get("VOXFLOW_ELASTICSEARCH_PREFIX", "voxflow-transcripts"),
            usage_index=environ.get("VOXFLOW_ELASTICSEARCH_USAGE_INDEX", "voxflow-usage"),
            retention_days=not_negative(environ, "VOXFLOW_RETENTION_DAYS", 365),
        )


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """How transcripts are written to the views.

    ``group`` is the Kafka consumer group, completed by the view's name; a batch is what has arrived, ``batch_size``
    records at most, and ``wait_ms`` is how long the loop sleeps where nothing has. A view that does not answer is
    tried again after pauses that double from ``first_pause_ms`` to ``longest_pause_ms``. ``ended_ttl_s`` is how long
    the cache keeps a session after its end, ``live_ttl_s`` after its last text where the end never came.
    """

    group: str = "voxflow-deliver"
    batch_size: int = 200
    wait_ms: int = 200
    first_pause_ms: int = 100
    longest_pause_ms: int = 10_000
    ended_ttl_s: int = 3_600
    live_ttl_s: int = 86_400

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "DeliverySettings":
        """Reads VOXFLOW_DELIVERY_GROUP, VOXFLOW_DELIVERY_BATCH, VOXFLOW_SESSION_TTL_S, VOXFLOW_LIVE_SESSION_TTL_S."""
        return cls(
            group=environ.get("VOXFLOW_DELIVERY_GROUP", "voxflow-deliver"),
            batch_size=positive(environ, "VOXFLOW_DELIVERY_BATCH", 200),
            ended_ttl_s=positive(environ, "VOXFLOW_SESSION_TTL_S", 3_600),
            live_ttl_s=positive(environ, "VOXFLOW_LIVE_SESSION_TTL_S", 86_400),
        )

    def group_of(self, view: str) -> str:
        """The consumer group of a view: one each, so that each advances on its own."""
        return f"{self.group}-{view}"


@dataclass(frozen=True, slots=True)
class StackSettings:
    """Where the local stack keeps its files, and its ports.

    ``java`` holds the jars that Maven fetched; two stacks with homes of their own may share it. ``without`` names
    servers that are left out.
    """

    home: Path = Path(".voxflow")
    java: Path = Path(".voxflow/java")
    kafka_port: int = 9092
    kafka_controller_port: int = 9093
    flink_rest_port: int = 8081
    flink_rpc_port: int = 6123
    zookeeper_port: int = 2181
    redis_port: int = 6379
    elasticsearch_port: int = 9200
    without: frozenset[str] = frozenset()
    task_managers: int = 1
    slots_per_task_manager: int = 2
    checkpoint_interval_ms: int = 2_000

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "StackSettings":
        """Reads VOXFLOW_HOME, VOXFLOW_JAVA, VOXFLOW_KAFKA_PORT, VOXFLOW_KAFKA_CONTROLLER_PORT,
        VOXFLOW_FLINK_REST_PORT, VOXFLOW_FLINK_RPC_PORT, VOXFLOW_ZOOKEEPER_PORT, VOXFLOW_REDIS_PORT,
        VOXFLOW_ELASTICSEARCH_PORT, VOXFLOW_WITHOUT (names, separated by commas), VOXFLOW_TASK_MANAGERS, VOXFLOW_SLOTS
        and VOXFLOW_CHECKPOINT_INTERVAL_MS."""
        return cls(
            home=Path(environ.get("VOXFLOW_HOME", ".voxflow")).absolute(),
            java=Path(environ.get("VOXFLOW_JAVA", ".voxflow/java")).absolute(),
            kafka_port=integer(environ, "VOXFLOW_KAFKA_PORT", 9092),
            kafka_controller_port=integer(environ, "VOXFLOW_KAFKA_CONTROLLER_PORT", 9093),
            flink_rest_port=integer(environ, "VOXFLOW_FLINK_REST_PORT", 8081),
            flink_rpc_port=integer(environ, "VOXFLOW_FLINK_RPC_PORT", 6123),
            zookeeper_port=integer(environ, "VOXFLOW_ZOOKEEPER_PORT", 2181),
            redis_port=integer(environ, "VOXFLOW_REDIS_PORT", 6379),
            elasticsearch_port=integer(environ, "VOXFLOW_ELASTICSEARCH_PORT", 9200),
            without=frozenset(filter(None, environ.get("VOXFLOW_WITHOUT", "").split(","))),
            task_managers=integer(environ, "VOXFLOW_TASK_MANAGERS", 1),
            slots_per_task_manager=integer(environ, "VOXFLOW_SLOTS", 2),
            checkpoint_interval_ms=integer(environ, "VOXFLOW_CHECKPOINT_INTERVAL_MS", 2_000),
        )


def default_execution_mode() -> str:
    """Thread mode, several times faster, where pemja, the bridge it needs, is published: on Linux for x86_64."""
    return "thread" if (platform.system(), platform.machine()) == ("Linux", "x86_64") else "process"


def integer(environ: Mapping[str, str], name: str, default: int) -> int:
    """The whole number in ``environ[name]``, or ``default`` where it is unset. Raises SetupError."""
    value = environ.get(name)
    if value is None:
        return default
    try:
        return int(value)
    except ValueError:
        raise SetupError(f"{name}={value!r} is not a whole number; unset it to use {default}") from None


def positive(environ: Mapping[str, str], name: str, default: int) -> int:
    """As ``integer``, but 1 or more. Raises SetupError."""
    value = integer(environ, name, default)
    if value < 1:
        raise SetupError(f"{name}={value} is too small; set it to 1 or more, or unset it to use {default}")
    return value


def not_negative(environ: Mapping[str, str], name: str, default: int) -> int:
    """As ``integer``, but 0 or more. Raises SetupError."""
    value = integer(environ, name, default)
    if value < 0:
        raise SetupError(f"{name}={value} is too small; set it to 0 or more, or unset it to use {default}")
    return value


def _http_address(url: str) -> str:
    """The URL without user and password. Raises SetupError, which does not show the URL either."""
    expected = "expected http://[user:password@]host[:port], or https://; set VOXFLOW_ELASTICSEARCH_URL"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 9200)
    except ValueError:
        raise SetupError(f"the Elasticsearch URL is malformed: {expected}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise SetupError(f"the Elasticsearch URL has scheme {parts.scheme!r} and host {host!r}: {expected}")
    return f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"


def _redis_address(url: str) -> str:
    """The URL without user, password and options. Raises SetupError, which does not show the URL either."""
    expected = "expected redis://[[user]:password@]host[:port][/database], or rediss:// for TLS; set VOXFLOW_REDIS_URL"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 6379
    except ValueError:
        raise SetupError(f"the Redis URL is malformed: {expected}") from None
    if parts.scheme not in ("redis", "rediss") or not host:
        raise SetupError(f"the Redis URL has scheme {parts.scheme!r} and host {host!r}: {expected}")
    return f"{parts.scheme}://{host}:{port}{parts.path or '/0'}"
