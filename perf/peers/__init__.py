"""What else somebody could run on the same cores for the same live speech, measured by the same rule."""
