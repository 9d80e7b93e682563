"""The pure core: values in, values out, time passed in; standard library and NumPy only."""
