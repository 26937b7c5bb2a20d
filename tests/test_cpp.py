"""The emulated device and its kernels, and the CPU's, in C++ programs under the sanitizers, and fed by libFuzzer."""

import shutil
import subprocess

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


@pytest.fixture
def libfuzzer(tmp_path):
    """Skip where clang cannot link it: it is a package of its own for some."""
    source = 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }'
    (tmp_path / "nothing.cpp").write_text(source)
    command = ["clang++", "-fsanitize=fuzzer", "nothing.cpp", "-o", "nothing"]
    if shutil.which("clang++") is None or subprocess.run(command, cwd=tmp_path, capture_output=True).returncode != 0:
        pytest.skip("needs clang with libFuzzer, such as Debian's packages clang and libclang-rt-dev")


@pytest.mark.usefixtures("libfuzzer")
def test_calls_that_libfuzzer_thinks_of(tmp_path):
    options = ["-max_total_time=15", "-max_len=1024", "-len_control=0", f"-artifact_prefix={tmp_path}/"]
    # Linux counts the most that the program had, with what this process, which starts it, has.
    options += ["-rss_limit_mb=0", "-malloc_limit_mb=2048"]
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
