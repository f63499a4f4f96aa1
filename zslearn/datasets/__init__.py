"""Data sets for zero-shot learning: some that need no download, and the published benchmarks."""

from zslearn.datasets._apy import load_apy
from zslearn.datasets._awa2 import load_awa2
from zslearn.datasets._cub import load_cub
from zslearn.datasets._cub_parts import cub_attribute_parts
from zslearn.datasets._data_home import clear_data_home, get_data_home
from zslearn.datasets._digit_segments import load_digit_segments
from zslearn.datasets._fetch import fetch_apy, fetch_awa2, fetch_cub, fetch_flo, fetch_sun
from zslearn.datasets._fetch_xlsa17 import fetch_xlsa17
from zslearn.datasets._field_guide import make_field_guide
from zslearn.datasets._flo import load_flo
from zslearn.datasets._image_folder import load_image_folder
from zslearn.datasets._sun import load_sun
from zslearn.datasets._xlsa17 import load_xlsa17

__all__ = [
    "clear_data_home",
    "cub_attribute_parts",
    "fetch_apy",
    "fetch_awa2",
    "fetch_cub",
    "fetch_flo",
    "fetch_sun",
    "fetch_xlsa17",
    "get_data_home",
    "load_apy",
    "load_awa2",
    "load_cub",
    "load_digit_segments",
    "load_flo",
    "load_image_folder",
    "load_sun",
    "load_xlsa17",
    "make_field_guide",
]
