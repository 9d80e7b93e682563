"""Bytes to values and back: Avro records, and the audio codecs inside them."""
