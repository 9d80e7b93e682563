"""A tiny PyFlink job: copies records from one topic to another in upper case, through the Table connector, a keyed
function and the DataStream interface, as Voxflow's own job does, and names PyFlink's execution mode."""

import argparse
from pathlib import Path

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment
from pyflink.datastream.state import ValueStateDescriptor
from pyflink.table import StreamTableEnvironment

NAME = "voxflow-test-echo"
TABLE = """CREATE TABLE {name} (record_key BYTES, record_value BYTES) WITH (
    'connector' = 'kafka', 'topic' = '{topic}', 'properties.bootstrap.servers' = '{servers}',
    'properties.group.id' = 'echo', 'scan.startup.mode' = 'earliest-offset',
    'key.format' = 'raw', 'key.fields' = 'record_key', 'value.format' = 'raw', 'value.fields-include' = 'EXCEPT_KEY')"""


class CountedEcho(KeyedProcessFunction):
    """Puts the number of records that its key has seen before each record."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.count = runtime_context.get_state(ValueStateDescriptor("count", Types.LONG()))

    def process_element(self, value, ctx):
        seen = (self.count.value() or 0) + 1
        self.count.update(seen)
        where = "thread" if Path("/proc/self/exe").readlink().name == "java" else "process"
        yield Row(value[0], f"{seen} {value[1].decode().upper()} {where}".encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap-servers", required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--sink", required=True)
    arguments = parser.parse_args()
    environment = StreamExecutionEnvironment.get_execution_environment()
    tables = StreamTableEnvironment.create(environment)
    for name, topic in (("source", arguments.source), ("sink", arguments.sink)):
        tables.execute_sql(TABLE.format(name=name, topic=topic, servers=arguments.bootstrap_servers))
    row = Types.ROW_NAMED(["record_key", "record_value"], [Types.PRIMITIVE_ARRAY(Types.BYTE())] * 2)
    rows = tables.to_data_stream(tables.from_path("source"))
    counted = rows.key_by(lambda row: row[0].decode(), Types.STRING()).process(CountedEcho(), row)
    statements = tables.create_statement_set()
    statements.add_insert("sink", tables.from_data_stream(counted))
    statements.attach_as_datastream()
    environment.execute(NAME)


if __name__ == "__main__":
    main()
