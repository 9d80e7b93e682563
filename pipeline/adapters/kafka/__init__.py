"""Kafka, as producers and readers of Voxflow meet it: topics, the chunk publisher, the transcript reader."""

from pipeline.adapters.kafka.client import require_broker
from pipeline.adapters.kafka.group import GroupReader
from pipeline.adapters.kafka.letters import DeadLetterWriter
from pipeline.adapters.kafka.publisher import ChunkPublisher
from pipeline.adapters.kafka.reader import Beginning, End, TranscriptReader
from pipeline.adapters.kafka.topics import TopicState, ensure_topics

__all__ = [
    "Beginning",
    "ChunkPublisher",
    "DeadLetterWriter",
    "End",
    "GroupReader",
    "TopicState",
    "TranscriptReader",
    "ensure_topics",
    "require_broker",
]
