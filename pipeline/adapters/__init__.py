"""The systems outside the process, one package or module each: Kafka, audio files."""
