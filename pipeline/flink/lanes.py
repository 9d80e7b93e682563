"""Which lanes there are: keys of the inference operator, one on each of its subtasks.

Flink spreads keys by their hash, so that as many keys as subtasks would leave some subtasks without any. The keys are
therefore chosen by Flink's own assignment, asked through the gateway while the job is built.
"""

import zlib

from pyflink.java_gateway import get_gateway


def balanced_lanes(parallelism: int, max_parallelism: int) -> tuple[int, ...]:
    """One key for each subtask of an operator keyed by ``Row(INT)``, in the order of the subtasks."""
    jvm = get_gateway().jvm
    assign = jvm.org.apache.flink.runtime.state.KeyGroupRangeAssignment.assignKeyToParallelOperator
    lanes: dict[int, int] = {}
    candidate = 0
    while len(lanes) < parallelism:
        row = jvm.org.apache.flink.types.Row(1)
        row.setField(0, candidate)
        lanes.setdefault(assign(row, max_parallelism, parallelism), candidate)
        candidate += 1
    return tuple(lanes[subtask] for subtask in range(parallelism))


def lane_of(session_id: str, lanes: tuple[int, ...]) -> int:
    """The lane of a session: always the same one for the same lanes."""
    return lanes[zlib.crc32(session_id.encode()) % len(lanes)]
