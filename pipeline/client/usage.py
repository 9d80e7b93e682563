"""The usage topic as a table: of each tenant's minute the record that holds."""

from collections.abc import Iterable, Iterator

from pipeline.adapters.kafka.scan import kept, stored_records
from pipeline.codecs.avro import decode_usage
from pipeline.config import KafkaSettings
from pipeline.domain.usage import Usage


def newest(records: Iterable[Usage]) -> list[Usage]:
    """One record of each minute, the one of the highest revision, the later one of equals; by minute and tenant."""
    holding: dict[tuple[int, str], Usage] = {}
    for record in records:
        minute = (record.window_start_ms, record.tenant)
        if minute not in holding or record.revision >= holding[minute].revision:
            holding[minute] = record
    return [holding[minute] for minute in sorted(holding)]


def stored_usage(settings: KafkaSettings) -> Iterator[Usage]:
    """Every record that Kafka holds now, in order. Raises BrokerUnreachable and SetupError."""
    topic = settings.topics.usage
    for record in stored_records(settings, topic, kept(settings, topic)):
        yield decode_usage(record.value)
