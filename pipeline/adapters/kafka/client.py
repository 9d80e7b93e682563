"""What every Kafka client here shares: settings, silence, and one clear error when no broker answers."""

import logging
import socket
from typing import Any, Final
from urllib.parse import urlsplit

from confluent_kafka import KafkaError, KafkaException

# The package does not say that it exports this name, though its documentation does.
from confluent_kafka.admin import AdminClient, ClusterMetadata  # type: ignore[attr-defined]

from pipeline.config import KafkaSettings
from pipeline.errors import BrokerUnreachable, SetupError, VoxflowError

ANSWER_TIMEOUT_S: Final = 5.0
"""How long a broker may take to answer before it counts as absent."""

DEFAULT_PORT: Final = 9092
MAX_RECORD_BYTES: Final = 4 * 1024 * 1024

ClientConfig = dict[str, Any]
"""librdkafka's settings: https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md"""

_ABSENT: Final = frozenset(
    {KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT, KafkaError._MSG_TIMED_OUT,
     KafkaError._RESOLVE}
)  # fmt: skip

_silent = logging.getLogger("pipeline.adapters.kafka.librdkafka")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


def client_config(settings: KafkaSettings, **more: str | int | bool) -> ClientConfig:
    """The settings of any client. librdkafka would otherwise write its own lines to stderr while it reconnects."""
    common: ClientConfig = {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": "voxflow",
        "log_level": 0,
        "logger": _silent,
        "error_cb": _ignore,
        "reconnect.backoff.max.ms": 1000,
    }
    return common | {name.replace("_", "."): value for name, value in more.items()}


def consumer_config(settings: KafkaSettings, group: str, **more: str | int | bool) -> ClientConfig:
    """The settings of any consumer. It sees what is certain: no record of a transaction that is open or was aborted.

    librdkafka insists on a group's name, also where no group is joined. Offsets are committed by hand, or not at all.
    """
    return client_config(settings, group_id=group, enable_auto_commit=False, isolation_level="read_committed", **more)


def admin_client(settings: KafkaSettings) -> AdminClient:
    config = client_config(settings)
    logger = config.pop("logger")
    return AdminClient(config, logger=logger)


def cluster_metadata(settings: KafkaSettings, timeout_s: float = ANSWER_TIMEOUT_S) -> ClusterMetadata:
    """Brokers and topics of the cluster. Raises BrokerUnreachable after ``timeout_s`` without an answer.

    It raises at once where nobody listens at any address: librdkafka itself would go on trying.
    """
    if not any(_listens(address, timeout_s) for address in settings.bootstrap_servers.split(",")):
        raise _unreachable(settings)
    try:
        return admin_client(settings).list_topics(timeout=timeout_s)
    except KafkaException as exc:
        raise kafka_error(exc.args[0], settings, "its topics were asked for") from exc


def require_broker(settings: KafkaSettings, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
    """Raises BrokerUnreachable, in one line that says what to do, unless Kafka answers."""
    cluster_metadata(settings, timeout_s)


def kafka_error(error: KafkaError, settings: KafkaSettings, occasion: str) -> VoxflowError:
    """The error of ours that tells the receiver of Kafka's what to do."""
    if error.code() in _ABSENT:
        return _unreachable(settings)
    address = settings.bootstrap_servers
    return SetupError(f"Kafka at {address} refused when {occasion}: {error.str()} ({error.name()})")


def _unreachable(settings: KafkaSettings) -> BrokerUnreachable:
    return BrokerUnreachable(
        f"Kafka does not answer at {settings.bootstrap_servers}: start the local stack with `voxflow up`, "
        "or set VOXFLOW_BOOTSTRAP_SERVERS to your broker"
    )


def _listens(address: str, timeout_s: float) -> bool:
    """Whether anything accepts connections at ``host:port``; Kafka's port is 9092 where none is given."""
    place = urlsplit(address.strip() if "://" in address else f"//{address.strip()}")
    try:
        with socket.create_connection((place.hostname or "", place.port or DEFAULT_PORT), timeout_s):
            return True
    except (OSError, ValueError):
        return False


def _ignore(error: KafkaError) -> None:
    """Errors that matter also come back from the call that meets them; these are the passing ones."""
