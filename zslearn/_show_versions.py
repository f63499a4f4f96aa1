"""Versions of what zslearn computes with, and the devices there are."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from zslearn._version import __version__

__all__ = ["describe_machine", "show_versions"]

_PACKAGES = ("torch", "scikit-learn", "skorch", "numpy", "joblib")
_EXTRAS = ("timm", "torchvision", "pillow", "matplotlib", "pandas", "pooch", "h5py", "dask")


def describe_machine() -> dict[str, Any]:
    """Versions and devices by name."""
    import torch

    from zslearn._training._device import has_fast_bfloat16
    from zslearn.datasets._data_home import locate_data_home

    facts: dict[str, Any] = {
        "zslearn": __version__,
        "python": f"{platform.python_version()}, {platform.system()} {platform.machine()}",
    }
    for package in (*_PACKAGES, *_EXTRAS):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    names = ["cpu"]
    names += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    names += ["mps"] if torch.backends.mps.is_available() else []
    for name in names:
        device = torch.device(name)
        title = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
        title = title or (f"{torch.get_num_threads()} threads" if name == "cpu" else "Metal")
        half = "fast bfloat16" if has_fast_bfloat16(device) else "float32"
        facts[name] = f"{title}, {half}"
    facts["data home"] = locate_data_home()
    return facts


def show_versions() -> None:
    """Print versions of zslearn and of what it needs, and the devices it can compute on.

    For reports of faults; the same as ``zslearn info`` on the command line. It imports torch.

    See Also
    --------
    zslearn.load : Warns where versions matter to a saved model.

    Examples
    --------
    >>> import zslearn
    >>> zslearn.show_versions()
    zslearn  ...
    python   ...
    ...
    """
    facts = describe_machine()
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:{width}}  {value}")
