"""A model that a user brings along: a folder, checked for the files that an engine needs."""

from collections.abc import Sequence
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Final

from pipeline.errors import ModelMissing

_DIGITS: Final = 12
_MOST_SHOWN: Final = 12


def files_in(folder: Path, needed: Sequence[str], engine: str) -> dict[str, Path]:
    """The needed files by name; ``a|b`` is either of two, by the name of the one found. Raises ModelMissing."""
    if not folder.is_dir():
        raise ModelMissing(f"model folder {folder} does not exist; the engine {engine} needs {_listed(needed)} in it")
    found = {name: path for names in needed if (path := _first(folder, names)) for name in (path.name,)}
    missing = [names for names in needed if _first(folder, names) is None]
    if missing:
        raise ModelMissing(
            f"model folder {folder} lacks {_listed(missing)}; the engine {engine} needs {_listed(needed)}, "
            f"and the folder has {_shown(folder)}"
        )
    return found


def fingerprint(files: dict[str, Path]) -> str:
    """Twelve hex digits that change whenever one of the files does; reads all of them."""
    digests = []
    for _, path in sorted(files.items()):
        with path.open("rb") as file:
            digests.append(file_digest(file, "sha256").hexdigest())
    return sha256("".join(digests).encode()).hexdigest()[:_DIGITS]


def _first(folder: Path, names: str) -> Path | None:
    return next((folder / name for name in names.split("|") if (folder / name).is_file()), None)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(name.replace("|", " or ") for name in names)


def _shown(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    return ", ".join(names[:_MOST_SHOWN]) + (", ..." if len(names) > _MOST_SHOWN else "") if names else "no files"
