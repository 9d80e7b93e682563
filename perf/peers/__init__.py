"""What else somebody could run on the same cores for the same live speech, measured by the same rule."""

from typing import Final

REFERENCE: Final = "moonshine-voice, an update each 0.5 s"
"""The makers of the model themselves, at two updates a second: what Voxflow's density is held against."""
