"""What pytest leaves alone."""

from importlib.util import find_spec

# A module that cannot be imported is an error; this one cannot where there is no Triton.
collect_ignore = [] if find_spec("triton") else ["zslearn/nn/_kernels/_triton.py"]
