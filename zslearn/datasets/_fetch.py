"""Pictures of the published benchmarks, downloaded from their official addresses."""

from __future__ import annotations

import os
from typing import Any

from sklearn.utils import Bunch

from zslearn.datasets._apy import load_apy
from zslearn.datasets._awa2 import load_awa2
from zslearn.datasets._cub import load_cub
from zslearn.datasets._download import Options, provide_files
from zslearn.datasets._flo import load_flo
from zslearn.datasets._sun import load_sun

__all__ = ["fetch_apy", "fetch_awa2", "fetch_cub", "fetch_flo", "fetch_sun"]


def fetch_cub(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    keep_archives: bool = False,
    n_retries: int = 3,
    delay: float = 1.0,
    verbose: bool = True,
    **loader_parameters: Any,
) -> Bunch:
    """Fetch the pictures of CUB-200-2011 with the Proposed Split.

    Downloads the pictures and their annotations (1.1 GB), and xlsa17.zip for the split, unless they
    are there.

    Parameters
    ----------
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
        Parameters of :func:`load_cub` other than `root` and `splits`.

    Returns
    -------
    cub : :class:`~sklearn.utils.Bunch`
        What :func:`load_cub` returns.

    Raises
    ------
    OSError
        If a file cannot be downloaded or is not the published one, if the disk has no room, or if
        data are missing and `download_if_missing` is False. The message says where to put a file
        that was downloaded by hand.

    See Also
    --------
    load_cub : Reads it from any folder.
    fetch_xlsa17 : ResNet-101 features instead of pictures.

    Notes
    -----
    Downloads that break off go on where they stopped, also in a later call. An archive is compared
    with its checksum before it is unpacked; of those for which none was published
    (xlsa17.zip, cvpr18xian.zip, and annotations and aYahoo pictures of aPY) the checksum of the
    first download is recorded in ``checksums.json`` and compared ever after.
    Processes that fetch at the same time wait for each other (on Windows they do not).

    References
    ----------
    .. [1] C. Wah, S. Branson, P. Welinder, P. Perona, S. Belongie, "The Caltech-UCSD Birds-200-2011
       Dataset", California Institute of Technology, 2011.
    .. [2] Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-Shot Learning - A Comprehensive
       Evaluation of the Good, the Bad and the Ugly", TPAMI 2019.

    Examples
    --------
    >>> from zslearn.datasets import fetch_cub
    >>> cub = fetch_cub()  # doctest: +SKIP

    Without a download, and in a folder that holds nothing yet:

    >>> import tempfile
    >>> fetch_cub(data_home=tempfile.mkdtemp(), download_if_missing=False)
    Traceback (most recent call last):
        ...
    OSError: CUB_200_2011.tgz is not in ..., and download_if_missing=False. Or download https://...
    """
    options = Options(download_if_missing, keep_archives, n_retries, delay, verbose)
    home = provide_files("cub", data_home, options, load_cub, loader_parameters)
    return load_cub(home / "CUB", splits=home / "xlsa17", **loader_parameters)


def fetch_sun(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    keep_archives: bool = False,
    n_retries: int = 3,
    delay: float = 1.0,
    verbose: bool = True,
    **loader_parameters: Any,
) -> Bunch:
    """Fetch the pictures of the SUN attribute database with the Proposed Split.

    Downloads the attributes, the pictures, and xlsa17.zip for the split, unless they are there.

    Parameters
    ----------
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
        Parameters of :func:`load_sun` other than `root` and `splits`.

    Returns
    -------
    sun : :class:`~sklearn.utils.Bunch`
        What :func:`load_sun` returns.

    Raises
    ------
    OSError
        If a file cannot be downloaded or is not the published one, if the disk has no room, or if
        data are missing and `download_if_missing` is False. The message says where to put a file
        that was downloaded by hand.

    See Also
    --------
    load_sun : Reads it from any folder.
    fetch_xlsa17 : ResNet-101 features instead of pictures.
    fetch_cub : Its notes on downloads hold here too.

    References
    ----------
    .. [1] G. Patterson, J. Hays, "SUN Attribute Database: Discovering, Annotating, and Recognizing
       Scene Attributes", CVPR 2012.
    .. [2] Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-Shot Learning - A Comprehensive
       Evaluation of the Good, the Bad and the Ugly", TPAMI 2019.

    Examples
    --------
    >>> from zslearn.datasets import fetch_sun
    >>> sun = fetch_sun()  # doctest: +SKIP

    Without a download, and in a folder that holds nothing yet:

    >>> import tempfile
    >>> fetch_sun(data_home=tempfile.mkdtemp(), download_if_missing=False)
    Traceback (most recent call last):
        ...
    OSError: SUNAttributeDB.tar.gz is not in ..., and download_if_missing=False. Or download https://...
    """
    options = Options(download_if_missing, keep_archives, n_retries, delay, verbose)
    home = provide_files("sun", data_home, options, load_sun, loader_parameters)
    return load_sun(home / "SUN", splits=home / "xlsa17", **loader_parameters)


def fetch_awa2(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    keep_archives: bool = False,
    n_retries: int = 3,
    delay: float = 1.0,
    verbose: bool = True,
    **loader_parameters: Any,
) -> Bunch:
    """Fetch the pictures of Animals with Attributes 2 with the Proposed Split.

    Downloads the pictures (13 GB), and xlsa17.zip for the split, unless they are there.

    Parameters
    ----------
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
        Parameters of :func:`load_awa2` other than `root` and `splits`.

    Returns
    -------
    awa2 : :class:`~sklearn.utils.Bunch`
        What :func:`load_awa2` returns.

    Raises
    ------
    OSError
        If a file cannot be downloaded or is not the published one, if the disk has no room, or if
        data are missing and `download_if_missing` is False. The message says where to put a file
        that was downloaded by hand.

    See Also
    --------
    load_awa2 : Reads it from any folder.
    fetch_xlsa17 : ResNet-101 features instead of pictures.
    fetch_cub : Its notes on downloads hold here too.

    References
    ----------
    .. [1] Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-Shot Learning - A Comprehensive
       Evaluation of the Good, the Bad and the Ugly", TPAMI 2019.

    Examples
    --------
    >>> from zslearn.datasets import fetch_awa2
    >>> awa2 = fetch_awa2()  # doctest: +SKIP

    Without a download, and in a folder that holds nothing yet:

    >>> import tempfile
    >>> fetch_awa2(data_home=tempfile.mkdtemp(), download_if_missing=False)
    Traceback (most recent call last):
        ...
    OSError: AwA2-data.zip is not in ..., and download_if_missing=False. Or download https://...
    """
    options = Options(download_if_missing, keep_archives, n_retries, delay, verbose)
    home = provide_files("awa2", data_home, options, load_awa2, loader_parameters)
    return load_awa2(home / "AWA2", splits=home / "xlsa17", **loader_parameters)


def fetch_apy(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    keep_archives: bool = False,
    n_retries: int = 3,
    delay: float = 1.0,
    verbose: bool = True,
    **loader_parameters: Any,
) -> Bunch:
    """Fetch the pictures of aPascal and aYahoo with the Proposed Split.

    Downloads the annotations, the pictures of aYahoo and of PASCAL VOC 2008, and xlsa17.zip for the
    split, unless they are there.

    Parameters
    ----------
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
        Parameters of :func:`load_apy` other than `root` and `splits`.

    Returns
    -------
    apy : :class:`~sklearn.utils.Bunch`
        What :func:`load_apy` returns.

    Raises
    ------
    OSError
        If a file cannot be downloaded or is not the published one, if the disk has no room, or if
        data are missing and `download_if_missing` is False. The message says where to put a file
        that was downloaded by hand.

    See Also
    --------
    load_apy : Reads it from any folder.
    fetch_xlsa17 : ResNet-101 features instead of pictures.
    fetch_cub : Its notes on downloads hold here too.

    References
    ----------
    .. [1] A. Farhadi, I. Endres, D. Hoiem, D. Forsyth, "Describing Objects by their Attributes",
       CVPR 2009.
    .. [2] Y. Xian, C. H. Lampert, B. Schiele, Z. Akata, "Zero-Shot Learning - A Comprehensive
       Evaluation of the Good, the Bad and the Ugly", TPAMI 2019.

    Examples
    --------
    >>> from zslearn.datasets import fetch_apy
    >>> apy = fetch_apy()  # doctest: +SKIP

    Without a download, and in a folder that holds nothing yet:

    >>> import tempfile
    >>> fetch_apy(data_home=tempfile.mkdtemp(), download_if_missing=False)
    Traceback (most recent call last):
        ...
    OSError: attribute_data.tar.gz is not in ..., and download_if_missing=False. Or download https://...
    """
    options = Options(download_if_missing, keep_archives, n_retries, delay, verbose)
    home = provide_files("apy", data_home, options, load_apy, loader_parameters)
    return load_apy(home / "APY", splits=home / "xlsa17", **loader_parameters)


def fetch_flo(
    *,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    keep_archives: bool = False,
    n_retries: int = 3,
    delay: float = 1.0,
    verbose: bool = True,
    **loader_parameters: Any,
) -> Bunch:
    """Fetch the pictures of Oxford Flowers 102 with the split used for zero-shot learning.

    Downloads the pictures and their labels, and cvpr18xian.zip for split and class embeddings,
    unless they are there.

    Parameters
    ----------
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
        Parameters of :func:`load_flo` other than `root` and `splits`.

    Returns
    -------
    flo : :class:`~sklearn.utils.Bunch`
        What :func:`load_flo` returns.

    Raises
    ------
    OSError
        If a file cannot be downloaded or is not the published one, if the disk has no room, or if
        data are missing and `download_if_missing` is False. The message says where to put a file
        that was downloaded by hand.

    See Also
    --------
    load_flo : Reads it from any folder.
    fetch_xlsa17 : ResNet-101 features instead of pictures.
    fetch_cub : Its notes on downloads hold here too.

    References
    ----------
    .. [1] M.-E. Nilsback, A. Zisserman, "Automated Flower Classification over a Large Number of
       Classes", ICVGIP 2008.
    .. [2] Y. Xian, T. Lorenz, B. Schiele, Z. Akata, "Feature Generating Networks for Zero-Shot
       Learning", CVPR 2018.

    Examples
    --------
    >>> from zslearn.datasets import fetch_flo
    >>> flo = fetch_flo()  # doctest: +SKIP

    Without a download, and in a folder that holds nothing yet:

    >>> import tempfile
    >>> fetch_flo(data_home=tempfile.mkdtemp(), download_if_missing=False)
    Traceback (most recent call last):
        ...
    OSError: imagelabels.mat is not in ..., and download_if_missing=False. Or download https://...
    """
    options = Options(download_if_missing, keep_archives, n_retries, delay, verbose)
    home = provide_files("flo", data_home, options, load_flo, loader_parameters)
    return load_flo(home / "FLO", splits=home / "cvpr18xian", **loader_parameters)
