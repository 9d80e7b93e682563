"""Voxflow: streaming speech to text on Apache Kafka and Apache Flink."""

__version__ = "0.1.0"

__all__ = ["__version__"]
