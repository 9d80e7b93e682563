"""The local stack: one Kafka broker and a Flink cluster as ordinary processes of this user, without containers."""
