"""Regions of zeros are found, and nothing else is."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from zslearn.nn.functional import find_padding


def test_by_hand():
    regions = torch.zeros(2, 3, 40)
    regions[0, 0, 39] = 1e-30  # in a feature that is not glanced at
    regions[1, [0, 2], 7] = -1.0
    assert find_padding(regions).tolist() == [[False, True, True], [False, True, False]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.uint8])
def test_every_dtype(dtype):
    regions = torch.tensor([[[0, 2], [0, 0]]], dtype=dtype)
    assert find_padding(regions).tolist() == [[False, True]]


def test_none_where_nothing_is_to_be_left_out():
    assert find_padding(torch.ones(2, 3, 4)) is None
    assert find_padding(torch.zeros(0, 3, 4)) is None
    assert find_padding(torch.zeros(5, 1, 4)) is None  # vectors, of zeros or not


def test_an_image_of_zeros_has_no_padding():
    regions = torch.zeros(2, 3, 4)
    assert find_padding(regions) is None
    regions[1, 1] = 1
    assert find_padding(regions).tolist() == [[False] * 3, [True, False, True]]


def test_what_is_not_finite_is_no_padding():
    regions = torch.ones(1, 3, 2)
    regions[0, 0] = torch.nan
    regions[0, 1] = torch.inf
    assert find_padding(regions) is None


@given(st.integers(1, 40), st.integers(0, 2**31))
def test_whatever_features_are_zero(n_features, seed):
    generator = torch.Generator().manual_seed(seed)
    regions = torch.rand(4, 6, n_features, generator=generator)
    regions[regions < 0.9] = 0
    zero = (regions == 0).all(-1)
    zero &= ~zero.all(-1, keepdim=True)
    found = find_padding(regions)
    assert torch.equal(torch.zeros_like(zero) if found is None else found, zero)
    assert (found is None) == (not zero.any())
