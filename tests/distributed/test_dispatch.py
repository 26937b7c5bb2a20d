"""``torch_moe_ttnn.distributed``'s dispatch and combine over 1, 2 and 4 processes of gloo on the CPU."""

import dispatch_cases
import pytest

from support import ranks

pytestmark = pytest.mark.any_runtime


@pytest.fixture(scope="module", params=[1, 2, 4], ids="{} ranks".format)
def errors(request, tmp_path_factory) -> dict[str, str]:
    """Call all cases in one group, since starting a process takes seconds."""
    return ranks.call_cases(dispatch_cases.__name__, request.param, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("case", ranks.names_of(dispatch_cases.__name__))
def test_case(errors, case):
    assert errors[case] == ""
