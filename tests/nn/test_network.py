"""What the network keeps besides its weights."""

import copy
import pickle

import pytest
import torch

from zslearn.nn import CVsCNetwork

D, K, C = 32, 13, 11


def make():
    table = torch.rand(C, K, generator=torch.Generator().manual_seed(0))
    return CVsCNetwork(table, D, attribute_dim=8, scale=1.7)


def unit(table):
    return torch.nn.functional.normalize(table, dim=1)


@pytest.mark.parametrize(
    "change",
    [
        lambda network: network.class_attributes.mul_(torch.arange(1.0, K + 1)),
        lambda network: network.class_attributes[3].fill_(2.0),
        lambda network: setattr(network, "class_attributes", torch.rand(7, K)),
        lambda network: network.load_state_dict(
            network.state_dict() | {"class_attributes": torch.rand(C, K)}
        ),
        lambda network: network.double(),
        lambda network: network.bfloat16().float(),
    ],
    ids=["times", "a row", "assigned", "loaded", "double", "rounded"],
)
def test_unit_attributes_follow(change):
    network = make()
    before = network.unit_attributes()
    torch.testing.assert_close(before, unit(network.class_attributes))
    assert network.unit_attributes() is before
    change(network)
    after = network.unit_attributes()
    assert after is not before
    assert after.dtype == network.class_attributes.dtype
    torch.testing.assert_close(after, unit(network.class_attributes))
    scores = network.class_scores(torch.ones(1, K, dtype=after.dtype))
    torch.testing.assert_close(scores[0], 1.7 * unit(network.class_attributes).sum(1))


@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_unit_attributes_of_copies(make_copy):
    network = make()
    network.unit_attributes()
    other = make_copy(network)
    other.class_attributes.mul_(torch.arange(1.0, K + 1))
    torch.testing.assert_close(other.unit_attributes(), unit(other.class_attributes))
    torch.testing.assert_close(network.unit_attributes(), unit(network.class_attributes))
    assert not torch.allclose(network.unit_attributes(), other.unit_attributes())
