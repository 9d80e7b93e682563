"""The domain uses the standard library and NumPy, nothing else."""

import subprocess
import sys

LOAD_THE_DOMAIN = """
import importlib, pkgutil, sys
before = set(sys.modules)
import pipeline.domain
for module in pkgutil.iter_modules(pipeline.domain.__path__):
    importlib.import_module(f"pipeline.domain.{module.name}")
found = {name for name in set(sys.modules) - before if getattr(sys.modules[name], "__spec__", None)}
loaded = {name for name in found if name.split(".")[0] not in sys.stdlib_module_names}
assert "pipeline.domain.session" in loaded
allowed = ("numpy", "pipeline.domain", "pipeline.errors")
print(*sorted(name for name in loaded - {"pipeline"} if not name.startswith(allowed)))
"""


def test_importing_the_domain_loads_nothing_but_numpy() -> None:
    result = subprocess.run([sys.executable, "-c", LOAD_THE_DOMAIN], capture_output=True, text=True, check=False)
    assert (result.stdout.strip(), result.stderr) == ("", "")
