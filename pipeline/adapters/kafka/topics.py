"""The topics of Voxflow: created once with the right partitions and record sizes, left alone afterwards."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaError, KafkaException

# The package does not say that it exports these names, though its documentation does.
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from pipeline.adapters.kafka.client import (
    ANSWER_TIMEOUT_S,
    MAX_RECORD_BYTES,
    admin_client,
    cluster_metadata,
    kafka_error,
)
from pipeline.config import KafkaSettings

DEFAULT_PARTITIONS: Final = 8
MAX_DEAD_LETTER_BYTES: Final = 2 * MAX_RECORD_BYTES
"""A dead letter holds the whole rejected record and more, so it must be allowed to be larger than any."""

_MAX_BYTES: Final = "max.message.bytes"
_TIMESTAMP_TYPE: Final = "message.timestamp.type"
_BROKERS_TIME: Final = "LogAppendTime"
_BROKERS_CHOICE: Final = -1


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """A topic as it should be; ``max_bytes`` is None where the broker's own limit is enough.

    ``stamped_by_broker`` has records carry the time at which the broker stored them, not one that producers claim.
    """

    name: str
    partitions: int
    max_bytes: int | None = None
    stamped_by_broker: bool = False

    @property
    def config(self) -> dict[str, str]:
        """Kafka's settings of the topic, those that are not left to the broker."""
        limit = {} if self.max_bytes is None else {_MAX_BYTES: str(self.max_bytes)}
        return limit | ({_TIMESTAMP_TYPE: _BROKERS_TIME} if self.stamped_by_broker else {})

    def corrections(self, present: Mapping[str, str]) -> dict[str, str]:
        """What must change in a topic that exists; a record size larger than planned stays."""
        return {name: value for name, value in self.config.items() if not _is_met(name, value, present[name])}


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it is, and whether this call made it."""

    name: str
    partitions: int
    wanted_partitions: int
    created: bool


def topic_plans(settings: KafkaSettings, partitions: int = DEFAULT_PARTITIONS) -> tuple[TopicPlan, ...]:
    """Dead letters and usage are few records: one partition keeps them in order.

    Audio is stamped by the broker: usage windows must not move with the clock of a producer.
    """
    names = settings.topics
    return (
        TopicPlan(names.audio, partitions, MAX_RECORD_BYTES, stamped_by_broker=True),
        TopicPlan(names.dead_letters, 1, MAX_DEAD_LETTER_BYTES),
        TopicPlan(names.partials, partitions),
        TopicPlan(names.finals, partitions),
        TopicPlan(names.usage, 1),
        TopicPlan(names.delivery_dead_letters, 1, MAX_DEAD_LETTER_BYTES),
    )


def ensure_topics(settings: KafkaSettings, partitions: int = DEFAULT_PARTITIONS) -> list[TopicState]:
    """Creates the topics that are missing; calling it again changes nothing.

    The partitions of a topic that exists stay as they are: adding some would move the sessions under way to other
    partitions. Its record size is raised where it is too small, and who stamps its records is set right. Raises
    BrokerUnreachable, and SetupError if refused.
    """
    plans = topic_plans(settings, partitions)
    existing = {name: len(topic.partitions) for name, topic in cluster_metadata(settings).topics.items()}
    admin = admin_client(settings)
    created = _create(admin, settings, [plan for plan in plans if plan.name not in existing])
    _correct(admin, settings, [plan for plan in plans if plan.name in existing and plan.config])
    return [
        TopicState(plan.name, existing.get(plan.name, plan.partitions), plan.partitions, plan.name in created)
        for plan in plans
    ]


def _create(admin: AdminClient, settings: KafkaSettings, plans: Sequence[TopicPlan]) -> set[str]:
    """The names of the topics that did not exist before, not even a moment before by another's hand."""
    if not plans:
        return set()
    futures = admin.create_topics([_new_topic(plan) for plan in plans], request_timeout=ANSWER_TIMEOUT_S)
    return {name for name, future in futures.items() if _created(future, name, settings)}


def _new_topic(plan: TopicPlan) -> NewTopic:
    return NewTopic(plan.name, num_partitions=plan.partitions, replication_factor=_BROKERS_CHOICE, config=plan.config)


def _created(future: "Future[None]", name: str, settings: KafkaSettings) -> bool:
    try:
        future.result()
    except KafkaException as exc:
        if exc.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise kafka_error(exc.args[0], settings, f"topic {name} was to be created") from exc
    return True


def _correct(admin: AdminClient, settings: KafkaSettings, plans: Sequence[TopicPlan]) -> None:
    present = _present(admin, settings, [plan.name for plan in plans])
    for plan in plans:
        corrections = plan.corrections(present[plan.name])
        if corrections:
            entries = [
                ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                for name, value in corrections.items()
            ]
            resource = ConfigResource(ResourceType.TOPIC, plan.name, incremental_configs=entries)
            _settled(admin.incremental_alter_configs([resource])[resource], settings, plan.name)


def _present(admin: AdminClient, settings: KafkaSettings, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Kafka's settings of each topic."""
    if not names:
        return {}
    futures = admin.describe_configs([ConfigResource(ResourceType.TOPIC, name) for name in names])
    found = {resource.name: _settled(future, settings, resource.name) for resource, future in futures.items()}
    return {topic: {name: entry.value or "" for name, entry in entries.items()} for topic, entries in found.items()}


def _is_met(name: str, wanted: str, present: str) -> bool:
    return int(present or 0) >= int(wanted) if name == _MAX_BYTES else present == wanted


def _settled(future: "Future[dict[str, ConfigEntry]]", settings: KafkaSettings, name: str) -> dict[str, ConfigEntry]:
    try:
        return future.result(timeout=ANSWER_TIMEOUT_S)
    except KafkaException as exc:
        raise kafka_error(exc.args[0], settings, f"the settings of topic {name} were read or changed") from exc
