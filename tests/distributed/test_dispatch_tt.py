"""Dispatch and combine of tensors on ``tt``: two processes with an emulated device each, by way of the host."""

import dispatch_tt_cases
import pytest

from support import ranks

pytestmark = pytest.mark.any_runtime


@pytest.fixture(scope="module")
def errors(tmp_path_factory) -> dict[str, str]:
    return ranks.call_cases(dispatch_tt_cases.__name__, 2, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("case", ranks.names_of(dispatch_tt_cases.__name__))
def test_case(errors, case):
    assert errors[case] == ""
