"""The recordings that come with the speech model's package, so that anybody has something to play."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from pipeline.errors import SetupError

TWO_CITIES: Final = "two_cities.wav"
"""44 s, 48 kHz, one voice: the first paragraph of A Tale of Two Cities."""

BECKETT: Final = "beckett.wav"
"""10 s, 16 kHz, one voice."""

_PACKAGE: Final = "moonshine_voice"


def recording(name: str) -> Path:
    """Where the recording lies. The package is found, not imported: importing it loads a large library.

    Raises SetupError where the package, or the recording in it, is missing.
    """
    spec = find_spec(_PACKAGE)
    folders = [] if spec is None else spec.submodule_search_locations or []
    for folder in folders:
        if (path := Path(folder) / "assets" / name).is_file():
            return path
    raise SetupError(f"no {name} in the package moonshine-voice: install it with `pip install moonshine-voice==0.0.73`")
