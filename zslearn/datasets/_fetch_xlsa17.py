"""Ready features of the published benchmarks, downloaded where they are missing."""

from __future__ import annotations

import os
from typing import Any

from sklearn.utils import Bunch

from zslearn.datasets._download import Options, provide_files
from zslearn.datasets._xlsa17 import load_xlsa17

__all__ = ["fetch_xlsa17"]


def fetch_xlsa17(
    name: str,
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    keep_archives: bool = False,
    n_retries: int = 3,
    delay: float = 1.0,
    verbose: bool = True,
    **loader_parameters: Any,
) -> Bunch:
    """Fetch the ready ResNet-101 features of a published benchmark with the Proposed Split.

    Downloads xlsa17.zip, or for FLO cvpr18xian.zip, unless it is there.

    Parameters
    ----------
    name : {"CUB", "SUN", "AWA1", "AWA2", "APY", "FLO"}
        Which data set, in any case.
    data_home : path-like, default=None
        Folder to download to; see :func:`get_data_home` for ``None``.
    download_if_missing : bool, default=True
        If False, what is missing is an OSError, and nothing is downloaded.
    keep_archives : bool, default=False
        Whether archives stay in the folder ``downloads`` once they are unpacked.
    n_retries : int, default=3
        How often a broken download goes on by itself before it is an error.
    delay : float, default=1.0
        Seconds to wait before it goes on.
    verbose : bool, default=True
        Whether to show progress bars.
    **loader_parameters
        Parameters of :func:`load_xlsa17` other than `root` and `name`.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        What :func:`load_xlsa17` returns.

    Raises
    ------
    OSError
        If a file cannot be downloaded or is not the published one, if the disk has no room, or if
        data are missing and `download_if_missing` is False. The message says where to put a file
        that was downloaded by hand.
    ValueError
        If there is no such data set.

    See Also
    --------
    load_xlsa17 : Reads it from any folder.
    fetch_cub : Pictures; its notes on downloads hold here too.

    References
    ----------
    .. [1] Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-Shot Learning - A Comprehensive
       Evaluation of the Good, the Bad and the Ugly", TPAMI 2019.
    .. [2] Y. Xian, T. Lorenz, B. Schiele, Z. Akata, "Feature Generating Networks for Zero-Shot
       Learning", CVPR 2018.

    Examples
    --------
    >>> from zslearn.datasets import fetch_xlsa17
    >>> data = fetch_xlsa17("AWA2")  # doctest: +SKIP

    Without a download, and in a folder that holds nothing yet:

    >>> import tempfile
    >>> fetch_xlsa17("AWA2", data_home=tempfile.mkdtemp(), download_if_missing=False)
    Traceback (most recent call last):
        ...
    OSError: xlsa17.zip is not in ..., and download_if_missing=False. Or download https://...
    """
    names = ("CUB", "SUN", "AWA1", "AWA2", "APY", "FLO")
    if not isinstance(name, str) or name.upper() not in names:
        raise ValueError(f"name must be one of {', '.join(names)}; found {name!r}.")
    is_flo = name.upper() == "FLO"
    files = "xlsa17-flo" if is_flo else "xlsa17"
    options = Options(download_if_missing, keep_archives, n_retries, delay, verbose)
    home = provide_files(files, data_home, options, load_xlsa17, loader_parameters)
    folder = home / ("cvpr18xian" if is_flo else "xlsa17")
    return load_xlsa17(folder, name, **loader_parameters)
