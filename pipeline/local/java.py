"""The jars of the local stack: resolved by Maven from pom.xml once, then found without the network.

``python -m pipeline.local.java`` does it ahead of time, as ``make setup`` does.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline.config import StackSettings
from pipeline.errors import SetupError, StackError, VoxflowError

POM = Path(__file__).with_name("pom.xml")
PARTS = ("kafka", "flink", "elasticsearch", "elasticsearch-http", "compiler")


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
