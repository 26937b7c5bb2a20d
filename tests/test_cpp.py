"""The emulated device and its kernels, and the CPU's, in C++ programs under the sanitizers, and fed by libFuzzer."""

import shutil

import pytest

from support import programs

RACES = ["race_without_any_signal", "race_of_signal_and_write", "race_behind_a_common_counter"]

pytestmark = [pytest.mark.any_runtime, programs.needs_compiler]


@pytest.mark.parametrize("sanitizer", ["", "address,undefined", "thread"])
def test_emulated_device(sanitizer):
    result = programs.run("cpp", sanitizer)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("race", RACES)
def test_thread_sanitizer_finds_races_of_kernels(race):
    result = programs.run("cpp", "thread", race)
    assert result.returncode != 0
    assert "WARNING: ThreadSanitizer: data race" in result.stderr


@pytest.mark.skipif(shutil.which("clang++") is None, reason="needs clang, which has libFuzzer")
def test_calls_that_libfuzzer_thinks_of(tmp_path):
    options = ["-max_total_time=15", "-max_len=1024", "-len_control=0", f"-artifact_prefix={tmp_path}/"]
    result = programs.run("fuzz", "fuzzer,address,undefined", *options)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
def test_kernels_of_the_cpu(sanitizer):
    result = programs.run("cpu", sanitizer)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("sanitizer", "mistake", "report"),
    [
        ("address,undefined", "row_beyond_the_end", "ERROR: AddressSanitizer"),
        ("thread", "race_between_threads", "WARNING: ThreadSanitizer: data race"),
    ],
)
def test_sanitizers_see_the_kernels_of_the_cpu(sanitizer, mistake, report):
    result = programs.run("cpu", sanitizer, mistake)
    assert result.returncode != 0
    assert report in result.stderr
