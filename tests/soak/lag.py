"""How far a job's source is behind its topic, by what its consumer group has committed."""

from contextlib import closing

from confluent_kafka import Consumer, TopicPartition

from pipeline.adapters.kafka.client import ANSWER_TIMEOUT_S, cluster_metadata, consumer_config
from pipeline.config import KafkaSettings


def records_behind(settings: KafkaSettings, group: str, topic: str) -> int:
    """Records of the topic that the group has not committed yet; a Flink job commits with each checkpoint."""
    with closing(Consumer(consumer_config(settings, group))) as consumer:
        partitions = [TopicPartition(topic, number) for number in cluster_metadata(settings).topics[topic].partitions]
        committed = consumer.committed(partitions, timeout=ANSWER_TIMEOUT_S)
        bounds = [consumer.get_watermark_offsets(one, timeout=ANSWER_TIMEOUT_S) for one in partitions]
    return sum(end - max(first, one.offset) for one, (first, end) in zip(committed, bounds, strict=True))
