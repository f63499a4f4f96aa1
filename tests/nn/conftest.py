"""What several tests of networks and kernels need."""

import pytest
import torch


@pytest.fixture
def threads():
    """Sets their number."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
