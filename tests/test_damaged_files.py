"""What ``--input`` makes of files that hypothesis damages: a result, or one line and exit status 2."""

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import torch_moe_ttnn._cli.main as command_line

pytestmark = pytest.mark.any_runtime

IDS, WEIGHTS = "selected_experts", "routing_weights"
DTYPES = [
    *("BOOL", "U8", "I8", "I16", "U16", "I32", "U32", "I64", "U64", "F16", "BF16", "F32", "F64", "C64"),
    *("F4", "F6_E2M3", "F6_E3M2", "F8_E5M2", "F8_E4M3", "F8_E8M0", "f32", "F128"),
]

sizes = st.one_of(st.integers(0, 9), st.sampled_from([-1, 1 << 31, 1 << 32, 1 << 62, 1 << 63, 1 << 64, 1.5, None, "4"]))
shapes = st.one_of(st.just([4, 2]), st.lists(sizes, max_size=4), st.sampled_from([None, 4, {}, "4, 2"]))
offsets = st.one_of(st.lists(st.integers(0, 80), min_size=2, max_size=2), st.lists(sizes, max_size=3), st.none())
tensors = st.fixed_dictionaries(
    {"dtype": st.sampled_from(DTYPES), "shape": shapes, "data_offsets": offsets}, optional={"more": st.none()}
)
numbers = st.one_of(
    st.integers(-1, 40).map(str), st.text(max_size=30), st.sampled_from(["9" * 5000, "٣", " 8", "8.0", "4294967295"])
)
metadata = st.one_of(
    st.dictionaries(st.just("num_experts"), numbers), st.sampled_from([None, 3, [], {"num_experts": 8}])
)


def valid(dtype="I64", size=8):
    """Return the header and the bytes of a file with choices of 4 tokens, 2 each."""
    header = {
        "__metadata__": {"num_experts": "8"},
        IDS: {"dtype": dtype, "shape": [4, 2], "data_offsets": [0, 8 * size]},
        WEIGHTS: {"dtype": "F32", "shape": [4, 2], "data_offsets": [8 * size, 8 * size + 32]},
    }
    return header, b"".join(expert.to_bytes(size, "little") for expert in range(8)) + bytes(32)


def written(header, data, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


@st.composite
def damaged_headers(draw):
    """Draw a header of which parts were replaced, removed or added."""
    header, data = valid()
    for key in draw(st.sets(st.sampled_from([IDS, WEIGHTS, "__metadata__", "more", ""]), min_size=1)):
        if draw(st.booleans()):
            header[key] = draw(metadata if key == "__metadata__" else st.one_of(tensors, metadata))
        else:
            header.pop(key, None)
    if isinstance(header.get(IDS), dict) and draw(st.booleans()):
        header[IDS] = header[IDS] | {draw(st.sampled_from(["dtype", "shape", "data_offsets", "x"])): draw(sizes)}
    return written(header, data + draw(st.binary(max_size=40)))


@st.composite
def consistent_files(draw):
    """Draw a file that safetensors takes, of any dtypes and shapes, ids and number of experts."""
    dtypes = {name: draw(st.sampled_from(DTYPES)) for name in (IDS, WEIGHTS)}
    bits = {"4": 4, "6": 6, "8": 8, "16": 16, "32": 32, "64": 64}
    header, data = {"__metadata__": {"num_experts": draw(numbers)}}, b""
    for name, dtype in dtypes.items():
        shape = draw(st.one_of(st.just([4, 2]), st.lists(st.integers(0, 4), max_size=3)))
        digits = "".join(character for character in dtype.partition("_")[0] if character.isdigit())
        count = 1
        for size in shape:
            count *= size
        num_bytes = count * (8 if dtype == "BOOL" else bits.get(digits, 128)) // 8
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + num_bytes]}
        data += draw(st.binary(min_size=num_bytes, max_size=num_bytes))
    return written(header, data)


@st.composite
def damaged_bytes(draw):
    """Draw a file of which bytes were replaced, or which was cut, or whose header's length is another."""
    dtype, size = draw(st.sampled_from([("I64", 8), ("U32", 4), ("U16", 2)]))
    header, data = valid(dtype, size)
    file = bytearray(written(header, data))
    for _ in range(draw(st.integers(0, 4))):
        file[draw(st.integers(0, len(file) - 1))] = draw(st.integers(0, 255))
    if draw(st.booleans()):
        file = file[: draw(st.integers(0, len(file)))]
    if draw(st.booleans()):
        file[:8] = draw(st.sampled_from([0, 1, 2, len(file), 100_000_001, 1 << 63, (1 << 64) - 1])).to_bytes(
            8, "little"
        )
    return bytes(file)


files = st.one_of(
    damaged_headers(),
    consistent_files(),
    damaged_bytes(),
    st.binary(max_size=200),
    st.integers(1, 100_000).map(lambda depth: written(b'{"a":' * depth, b"")),
)


@settings(
    max_examples=int(os.environ.get("TEST_EXAMPLES", "150")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(file=files)
def test_any_file(file, tmp_path, capsys):
    path = tmp_path / "choices.safetensors"
    path.write_bytes(file)
    try:
        status = command_line.main(["--input", str(path), "--device", "cpu"])
    except SystemExit as error:
        status = error.code
    captured = capsys.readouterr()
    if status == 0:
        assert captured.err == ""
    else:
        assert status == 2
        assert captured.out == ""
        assert captured.err.startswith(f"python -m torch_moe_ttnn: --input {path}: ")
        assert captured.err.count("\n") == 1
        assert captured.err.endswith("\n")
