"""``ExpertParallel`` over 1, 2 and 4 processes of gloo on the CPU."""

from pathlib import Path
from typing import NamedTuple

import expert_parallel_cases
import pytest
import torch

from support import ranks
from support.checks import assert_same_bits

pytestmark = pytest.mark.any_runtime


class Called(NamedTuple):
    errors: dict[str, str]
    folder: Path


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Called:
    return call(1, tmp_path_factory)


@pytest.fixture(scope="module", params=[2, 4], ids="{} ranks".format)
def together(request, tmp_path_factory) -> Called:
    return call(request.param, tmp_path_factory)


def call(world_size, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    return Called(ranks.call_cases(expert_parallel_cases.__name__, world_size, folder), folder)


CASES = ranks.names_of(expert_parallel_cases.__name__)


@pytest.mark.parametrize("case", CASES)
def test_case_alone(alone, case):
    assert alone.errors[case] == ""


@pytest.mark.parametrize("case", CASES)
def test_case_together(together, case):
    assert together.errors[case] == ""


def test_bits_do_not_depend_on_ranks_and_placement(alone, together):
    """Outputs, gradients of hidden states, weights and parameters, and what was dropped."""
    expected = torch.load(alone.folder / "bits.pt")
    actual = torch.load(together.folder / "bits.pt")
    # Three placements with each capacity; one rank's are one placement in other orders.
    for index, results in enumerate(actual):
        assert_same_bits(results, expected[index // 3 * 3])
    for index, results in enumerate(expected):
        assert_same_bits(results, expected[index // 3 * 3])


def test_experts_of_hugging_face(tmp_path):
    pytest.importorskip("transformers", reason="it comes with the test extra")
    errors = ranks.call_cases("huggingface_cases", 2, tmp_path)
    assert len(errors) == 3
    assert set(errors.values()) == {""}, errors
