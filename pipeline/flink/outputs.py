"""The side outputs of the operators. Tags are matched by name, so both ends must use these very objects."""

from pyflink.common.typeinfo import Types
from pyflink.datastream import OutputTag

KEYED_BYTES = Types.ROW_NAMED(
    ["key", "value"], [Types.PRIMITIVE_ARRAY(Types.BYTE()), Types.PRIMITIVE_ARRAY(Types.BYTE())]
)
"""A Kafka record about to be written."""

DEAD_LETTERS = OutputTag("dead-letters", KEYED_BYTES)
MARKERS = OutputTag("markers", Types.PICKLED_BYTE_ARRAY())
FINALS = OutputTag("finals", KEYED_BYTES)
USAGE = OutputTag("usage", Types.PICKLED_BYTE_ARRAY())
