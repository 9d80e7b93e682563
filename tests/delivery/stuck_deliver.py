"""A delivery to Redis that stops for ever after its first batch was written, and so before it was committed.

It says WRITTEN then, and waits to be killed.
"""

import os
import sys
import time
from collections.abc import Sequence
from random import random
from threading import Event

from pipeline.adapters.kafka import DeadLetterWriter, GroupReader
from pipeline.codecs.avro import decode_transcript
from pipeline.config import DeliverySettings, KafkaSettings
from pipeline.delivery.health import ViewHealth
from pipeline.delivery.loop import DeliveryLoop
from pipeline.delivery.service import REDIS, make_view, topics_of
from pipeline.delivery.view import Delivery, Refused, View
from pipeline.domain.types import Transcript


class StuckView:
    """Redis, but for the moment after a write that held something."""

    name = REDIS
    decode = staticmethod(decode_transcript)

    def __init__(self) -> None:
        self._view: View[Transcript] = make_view(REDIS, os.environ)

    def write(self, batch: Sequence[Delivery[Transcript]]) -> list[Refused[Transcript]]:
        refused = self._view.write(batch)
        if batch:
            print("WRITTEN", file=sys.stderr, flush=True)
            time.sleep(3600)
        return refused

    def close(self) -> None:
        self._view.close()


if __name__ == "__main__":
    kafka, settings = KafkaSettings.from_environ(os.environ), DeliverySettings.from_environ(os.environ)
    source = GroupReader(kafka, settings.group_of(REDIS), topics_of(REDIS, kafka))
    letters = DeadLetterWriter(kafka, kafka.topics.delivery_dead_letters)
    DeliveryLoop(source, StuckView(), letters, settings, ViewHealth(REDIS), random).run(Event())
