"""What the running job tells about itself."""
