"""Java for the local stack: jars that Maven resolves from pom.xml once, and how its servers run.

``python -m pipeline.local.java`` fetches the jars ahead of time, as ``make setup`` does.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from pipeline.config import StackSettings
from pipeline.errors import SetupError, StackError, VoxflowError

POM = Path(__file__).with_name("pom.xml")
PARTS = ("kafka", "flink", "elasticsearch", "elasticsearch-http", "compiler")
LOGGING: Final = Path(__file__).with_name("log4j2.properties")

SMALL_HEAP_COLLECTOR: Final = "-XX:+UseSerialGC"
"""No threads of its own and no tables beside the heap; its pauses grow with what lives, so it is for small heaps."""

QUICK_COMPILER: Final = "-XX:TieredStopAtLevel=1"
"""For servers that coordinate and handle no audio. Without the second, slower compiler a JobManager starts with a third
less of a core's time, which whatever starts beside it can use, and is 28 MB smaller."""

STEADY: Final = {"MALLOC_ARENA_MAX": "2"}
"""The environment of JVMs that run for days, and of the Python inside TaskManagers: glibc gives each thread that
allocates an arena of its own, eight a core at most, and memory freed in one serves no other, so that a process with
many threads grows for hours. Two arenas are soon as large as they get."""


def ensure_jars(java: Path, report: Callable[[str], None]) -> None:
    """Fills a folder of ``java`` for each of PARTS unless this very pom.xml did so before. Raises StackError."""
    stamp, fingerprint = java / "pom.sha256", hashlib.sha256(POM.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == fingerprint:
        return
    report("fetching the jars of Kafka, Flink's Kafka connector and Elasticsearch with Maven (98 MB)")
    for part in PARTS:
        resolve(part, java / part)
    stamp.write_text(fingerprint)


def resolve(part: str, folder: Path) -> None:
    """Copies the jars of one profile of pom.xml into an empty ``folder``. Raises StackError."""
    shutil.rmtree(folder, ignore_errors=True)
    command = [maven(), "-B", "-q", "-f", str(POM), "-P", part, "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    run = subprocess.run([*command, "dependency:copy-dependencies"], capture_output=True, text=True, check=False)
    if run.returncode != 0 or not any(folder.glob("*.jar")):
        said = next(iter(run.stdout.splitlines()), f"nothing (exit code {run.returncode})")
        raise StackError(f"Maven could not put the jars of {part} into {folder}; is the network there? It said: {said}")


def maven() -> str:
    """The mvn command. Raises SetupError."""
    path = shutil.which("mvn")
    if path is None:
        raise SetupError("mvn was not found on the PATH; install it with: apt-get install maven")
    return path


def java_command() -> str:
    """The java command, of JAVA_HOME where that is set. Raises SetupError."""
    home = os.environ.get("JAVA_HOME")
    path = shutil.which(f"{home}/bin/java" if home else "java")
    if path is None:
        where = f"in JAVA_HOME={home}" if home else "on the PATH"
        raise SetupError(f"java was not found {where}; install it with: apt-get install openjdk-17-jre-headless")
    return path


def jvm(heap_mb: int, class_path: Iterable[Path], collector: str = SMALL_HEAP_COLLECTOR) -> list[str]:
    """The command that runs a server, up to its flags, main class and arguments. Raises SetupError.

    The heap has one size, and all its pages are touched at the start: whatever grows later is a leak, and not a heap
    that is filled for the first time. That costs 50 ms for 384 MB.
    """
    heap = (f"-Xms{heap_mb}m", f"-Xmx{heap_mb}m", "-XX:+AlwaysPreTouch", collector)
    jars = os.pathsep.join(map(str, class_path))
    return [java_command(), *heap, f"-Dlog4j2.configurationFile={LOGGING}", "-cp", jars]


def main() -> int:
    """Fetches the jars into the folder that the settings name."""
    try:
        ensure_jars(StackSettings.from_environ(os.environ).java, print)
    except VoxflowError as error:
        print(f"voxflow: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
