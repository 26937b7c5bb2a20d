"""Launches as data, as ``torch_moe_ttnn.ttnn`` hands them to ttnn: no device takes part."""

import struct

import pytest

from torch_moe_ttnn import _C

pytestmark = pytest.mark.chip

COLUMNS, ROWS = 8, 9
RECORDS = (4096, 64, 64)


@pytest.fixture
def target():
    noc = [(18 + core % COLUMNS, 18 + core // COLUMNS) for core in range(COLUMNS * ROWS)]
    return _C.launch.Target(architecture="wormhole_b0", columns=COLUMNS, l1_bytes=256 * 1024, noc_coordinates=noc)


@pytest.fixture
def log():
    return _C.launch.InvalidIdLog()


def shape(tokens, top_k, experts, id_size=4, ids_signed=False, local=None):
    return _C.launch.ChoicesShape(tokens, top_k, experts, id_size, ids_signed, weight_size=2, local=local)


def plan_mapping(target, log, choices, ids=(1 << 20, 16, 32), mapping=(3 << 20, 256, 256), local=None):
    (launch,) = _C.launch.prepare_mapping(target, log, choices, ids, (2 << 20, 8, 32), RECORDS, local, mapping)
    return launch


def plan_routing(target, log, choices):
    addresses = [(number << 20, 512, 512) for number in range(3, 6)]
    ids, weights = (1 << 20, 16, 32), (2 << 20, 8, 32)
    return _C.launch.prepare_routing(target, log, choices, ids, weights, RECORDS, None, *addresses)


def test_a_launch_says_what_to_build(target, log):
    launch = plan_mapping(target, log, shape(32, 4, 128))
    program = launch.describe([2, 0] * 4)
    assert [kernel.name for kernel in program.kernels] == ["prepare_mapping"] * 2
    assert [kernel.processor for kernel in program.kernels] == [0, 1]
    for kernel in program.kernels:
        assert kernel.compile_args[-8:] == [2, 0] * 4
        assert len(kernel.runtime_args) == program.num_cores
    # A page a token, two workers a core, and whole rows of the grid.
    assert program.num_cores == 16
    assert program.semaphores == []
    assert sum(program.circular_buffers) <= 256 * 1024 + 2 * 64


def test_programs_do_not_depend_on_sizes_and_addresses(target, log):
    one = plan_mapping(target, log, shape(32, 4, 128))
    other = plan_mapping(target, log, shape(30, 3, 64), ids=(7 << 20, 12, 64), mapping=(9 << 20, 128, 128))
    assert one.key == other.key
    assert one.common_args != other.common_args
    assert len(one.common_args) == len(other.common_args)
    assert plan_mapping(target, log, shape(32, 4, 128, id_size=2)).key != one.key


def test_local_experts_are_another_program(target, log):
    choices = shape(32, 4, 128, local=(8, 4, True))
    launch = plan_mapping(target, log, choices, mapping=(3 << 20, 16, 32), local=(5 << 20, 32, 32))
    assert launch.key != plan_mapping(target, log, shape(32, 4, 128)).key
    assert 5 << 20 in launch.common_args
    # An accessor for each tensor, of which there is one more.
    assert launch.describe([2, 0] * 5).kernels[0].compile_args[-10:] == [2, 0] * 5


def test_addresses_are_in_the_common_arguments(target, log):
    for launch in [plan_mapping(target, log, shape(32, 4, 128)), *plan_routing(target, log, shape(32, 4, 128))]:
        for address in (1 << 20, 2 << 20, 3 << 20, RECORDS[0]):
            assert address in launch.common_args


def test_cores_send_to_each_other_by_their_noc_coordinates(target, log):
    (launch,) = plan_routing(target, log, shape(512, 8, 128))
    program = launch.describe([2, 0] * 6)
    assert program.semaphores == [0, 0]
    coordinates = [18 + core % COLUMNS << 16 | 18 + core // COLUMNS for core in range(program.num_cores)]
    assert launch.common_args[-program.num_cores :] == coordinates


def test_the_log_knows_what_a_record_speaks_of(target, log):
    assert log.message(bytes(64 * 144)) is None
    plan_mapping(target, log, shape(32, 4, 128))
    plan_mapping(target, log, shape(32, 5, 128, ids_signed=True))
    call, position, id_low, operation, limit = 2, 13, 2**32 - 7, 1, 128
    record = struct.pack("<7I", call, position, id_low, 0, 0, operation, limit).ljust(64, b"\0")
    text = log.message(bytes(64) + record + bytes(64))
    assert text.startswith("moe::prepare_mapping: expected expert ids in [0, 128)")
    assert "got -7 at selected_experts[2, 3]" in text


def test_rows_that_do_not_fit_are_refused(target, log):
    with pytest.raises(
        RuntimeError, match=r"^moe::prepare_mapping: expected rows of choices of at most 4096 bytes, got 8000 bytes"
    ):
        plan_mapping(target, log, shape(1, 2000, 4000), ids=(1 << 20, 8000, 8000))
    with pytest.raises(RuntimeError, match=r"^moe::prepare_mapping: expected rows of the map of at most"):
        plan_mapping(target, log, shape(1, 1, 1 << 20), mapping=(3 << 20, 2 << 20, 2 << 20))


def test_what_kernels_cannot_number_is_refused(target, log):
    most = "expected at most 4294963199 elements of a tensor"
    with pytest.raises(RuntimeError, match=f"^moe::prepare_routing: {most}, got 16384 rows of 1048576"):
        plan_routing(target, log, shape(1 << 20, 1, 1 << 14))
    # Few of the experts are local: a map has fewer elements than there are choices.
    choices = shape(1 << 30, 4, 128, local=(1, 4, True))
    with pytest.raises(RuntimeError, match=f"^moe::prepare_mapping: {most}, got 1073741824 rows of 4"):
        plan_mapping(target, log, choices, mapping=(3 << 20, 2, 32), local=(5 << 20, 4, 32))


@pytest.mark.parametrize(("tokens", "top_k", "experts"), [(2048, 1, 4096), (4096, 1, 3000), (600_000, 1, 8)])
def test_a_grouping_of_short_rows_has_a_plan(target, log, tokens, top_k, experts):
    """A row of positions takes an alignment of L1, however short: a slice then has fewer choices."""
    outputs = [(number << 24, 4 * width, 4 * width) for number, width in enumerate([experts] * 4, 1)]
    choices = shape(tokens, top_k, experts)
    assert _C.launch.prepare_grouping(
        target, log, choices, (1 << 20, 4, 32), (2 << 20, 2, 32), RECORDS, None, *outputs, (9 << 20, 4, 32)
    )
