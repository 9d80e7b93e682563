"""One Elasticsearch node from the jars that Elastic publishes for programs that embed it.

The distribution itself is not in Maven Central, but its server is, and so is the module that speaks HTTP.
LocalNode.java starts them the way the server starts itself, without the checks of a production machine. Of the other
modules this node has only English analysis (EnglishAnalysis.java): no scripts, no data streams, no lifecycle policies,
no security. It listens on localhost only.
"""

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import urllib.request
import zipfile
from pathlib import Path
from typing import Final

from pipeline.config import StackSettings
from pipeline.errors import StackError
from pipeline.local.java import LOGGING, java_command
from pipeline.local.ports import Port
from pipeline.local.process import Process

NAME: Final = "elasticsearch"
SOURCES: Final = Path(__file__).parent / "node"
COMPILER: Final = "org.eclipse.jdt.internal.compiler.batch.Main"
MAIN_CLASS: Final = "voxflow.local.LocalNode"
JAVA_RELEASE: Final = "17"
HEALTH_TIMEOUT_S: Final = 2.0
HEALTHY: Final = frozenset({"yellow", "green"})
MODULES: Final = {
    "transport-netty4": "org.elasticsearch.transport.netty4.Netty4Plugin",
    "analysis-english": "voxflow.local.EnglishAnalysis",
}
"""Module to the class that the server loads for it."""


def process(settings: StackSettings) -> Process:
    """The node's process, running or not."""
    return Process(NAME, settings.home / "run" / f"{NAME}.pid", settings.home / "logs" / f"{NAME}.log")


def ports_of(settings: StackSettings) -> tuple[Port, ...]:
    """Where the node answers HTTP; a node alone talks to no other, so that port may be any."""
    return (Port("Elasticsearch", settings.elasticsearch_port, "VOXFLOW_ELASTICSEARCH_PORT"),)


def start(settings: StackSettings) -> None:
    """Lays out the node's home and starts it. Raises StackError."""
    classes = compiled(settings.java)
    write_configuration(settings)
    lay_out_modules(settings, classes)
    jars = f"{settings.java / 'elasticsearch'}/*"
    flags = ["-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", f"-Dlog4j2.configurationFile={LOGGING}"]
    class_path = f"{classes / 'main'}{os.pathsep}{jars}"
    command = [java_command(), *flags, "-cp", class_path, MAIN_CLASS, str(home(settings))]
    process(settings).start(command, os.environ)


def ready(settings: StackSettings) -> bool:
    """Whether the node's primary shards are all there."""
    return health(settings.elasticsearch_port) in HEALTHY


def health(port: int) -> str | None:
    """Elasticsearch's own word: green, yellow or red; None while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://localhost:{port}/_cluster/health", timeout=HEALTH_TIMEOUT_S) as answer:
            return str(json.load(answer)["status"])
    except (OSError, ValueError, KeyError):
        return None


def home(settings: StackSettings) -> Path:
    return settings.home / NAME


def write_configuration(settings: StackSettings) -> None:
    """Every name is Elasticsearch's. The disk is the user's own: how full it is decides nothing here."""
    options = {
        "cluster.name": "voxflow",
        "node.name": "local",
        "discovery.type": "single-node",
        "network.host": "_local_",
        "http.port": settings.elasticsearch_port,
        "transport.port": 0,
        "cluster.routing.allocation.disk.threshold_enabled": False,
        "action.destructive_requires_name": True,
    }
    path = home(settings) / "config" / "elasticsearch.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{name}: {json.dumps(value)}\n" for name, value in options.items()))


def lay_out_modules(settings: StackSettings, classes: Path) -> None:
    """A folder a module, as in the distribution: its descriptor, and links to the jars that the server lacks."""
    version = server_version(settings.java)
    modules = home(settings) / "modules"
    shutil.rmtree(modules, ignore_errors=True)
    jars = {
        "transport-netty4": [*(settings.java / "elasticsearch-http").glob("*.jar")],
        "analysis-english": [*classes.glob("*.jar")],
    }
    of_server = {jar.name for jar in (settings.java / NAME).glob("*.jar")}
    for name, class_name in MODULES.items():
        (modules / name).mkdir(parents=True)
        (modules / name / "plugin-descriptor.properties").write_text(descriptor(name, class_name, version))
        for jar in (jar for jar in jars[name] if jar.name not in of_server):
            (modules / name / jar.name).symlink_to(jar.resolve())


def descriptor(name: str, class_name: str, version: str) -> str:
    lines = {
        "name": name,
        "description": name,
        "version": version,
        "elasticsearch.version": version,
        "java.version": JAVA_RELEASE,
        "classname": class_name,
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items())


def server_version(java: Path) -> str:
    """The version in the name of the server's jar. Raises StackError."""
    name = f"{NAME}-"
    versions = [jar.stem.removeprefix(name) for jar in (java / NAME).glob(f"{name}[0-9]*.jar")]
    if len(versions) != 1:
        raise StackError(f"{java / NAME} holds {len(versions)} Elasticsearch servers instead of one: run make setup")
    return versions[0]


def compiled(java: Path) -> Path:
    """The folder with the compiled sources, made once for each state of them: main/ and the analysis module's jar."""
    sources = sorted(SOURCES.glob("*.java"))
    said = b"".join(source.read_bytes() for source in sources) + server_version(java).encode()
    folder = java / f"node-{hashlib.sha256(said).hexdigest()[:12]}"
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=java) as scratch:
            compile_into(Path(scratch) / "node", sources, java)
            take_over(Path(scratch) / "node", folder)
    return folder


def compile_into(folder: Path, sources: list[Path], java: Path) -> None:
    """Compiles, and packs the module's classes; the compiler is a jar, so no JDK is needed. Raises StackError."""
    main = folder / "main"
    compiler = [java_command(), "-cp", f"{java / 'compiler'}/*", COMPILER, f"-{JAVA_RELEASE}", "-nowarn", "-proc:none"]
    jars = os.pathsep.join(map(str, (java / NAME).glob("*.jar")))
    command = [*compiler, "-cp", jars, "-d", str(main), *map(str, sources)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise StackError(f"{SOURCES} could not be compiled: {run.stderr.strip() or run.stdout.strip()}")
    with zipfile.ZipFile(folder / "analysis-english.jar", "w") as jar:
        for path in sorted(main.rglob("English*.class")):
            jar.write(path, path.relative_to(main))
            path.unlink()


def take_over(made: Path, folder: Path) -> None:
    """Moves the folder into its place, unless another stack was quicker."""
    try:
        made.rename(folder)
    except OSError:
        if not folder.exists():
            raise
