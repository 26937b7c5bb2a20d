"""The build: what it refuses before it compiles, and that files that it compiles as one do not need each other."""

import functools
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

ROOT = Path(__file__).parents[1]
CSRC = ROOT / "csrc"

pytestmark = pytest.mark.any_runtime

pytest.importorskip("setuptools", minversion="77", reason="setup.py needs setuptools 77, as pyproject.toml says")

ANONYMOUS = re.compile(r"^namespace \{\n(.*?)^\}  // namespace\n", re.MULTILINE | re.DOTALL)
# What clang-format leaves at a line's start: a type, or else a function or variable after its type.
TYPE = re.compile(r"(?:struct|class|enum class|enum|union|using|namespace)\s+(\w+)\b(?!::)")
FUNCTION_OR_VARIABLE = re.compile(r"[^=({]*?\b(operator\W+?|\w+)(?:\[[^\]]*\])?\s*(?:\(|=|\{|;)")
UNQUALIFIED = r"(?<!::)(?<!\.)(?<!->)\b"
FROM_ELSEWHERE = re.compile(r"(?:using [\w:]+|namespace \w+ = [\w:]+);")


@pytest.fixture(scope="module")
def setup():
    """What setup.py defines, without a build."""
    with mock.patch("setuptools.setup"), mock.patch.dict(os.environ):
        return runpy.run_path(str(ROOT / "setup.py"))


def test_a_wrong_choice_ends_the_build_before_it_compiles(tmp_path):
    command = [
        sys.executable,
        "setup.py",
        "build_ext",
        "--build-temp",
        tmp_path / "temp",
        "--build-lib",
        tmp_path / "lib",
    ]
    result = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"TORCH_MOE_METAL": "2"}, capture_output=True, text=True
    )
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == "expected TORCH_MOE_METAL to be 0 or 1, got 2"
    assert list(tmp_path.iterdir()) == []


def test_a_missing_tt_metalium_is_named(setup, monkeypatch):
    monkeypatch.setenv("TORCH_MOE_METAL", "1")
    monkeypatch.setenv("TT_METALIUM_PREFIX", "/nowhere")
    with pytest.raises(SystemExit, match=r"^no TT-Metalium found in /nowhere: .* Set TT_METALIUM_PREFIX to one"):
        setup["metalium_prefix"]()


def test_a_missing_compiler_is_named(setup, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-c++ -pipe")
    with pytest.raises(SystemExit, match=r"^no C\+\+ compiler: expected no-such-c\+\+ in PATH\. Install one"):
        setup["check_tools"]([])


def test_missing_headers_of_python_are_named(setup, monkeypatch):
    monkeypatch.setenv("CXX", sys.executable)
    with pytest.raises(
        SystemExit, match=r"^no headers of Python: expected Python\.h in /here or /there\. Install them"
    ):
        setup["check_tools"](["/here", "/there"])


def test_each_folder_is_compiled_as_one_file(setup, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    sources = setup["sources"]("", without=("tt/kernels",))
    compiled = setup["join"](sources, tmp_path)
    assert len(compiled) < len(sources) * 2 // 3
    unit = tmp_path / "ops_meta.cpp"
    assert str(unit) in compiled
    assert unit.read_text().splitlines()[0] == '#include "ops/meta/grouped_linear.cpp"'
    # Every source is compiled, alone or within one of these, and once.
    members = [line for file in tmp_path.iterdir() for line in re.findall('"(.*)"', file.read_text())]
    alone = [source.removeprefix("csrc/") for source in compiled if source.startswith("csrc/")]
    assert sorted(members + alone) == sorted(source.removeprefix("csrc/") for source in sources)


def test_what_is_joined_again_is_not_compiled_again(setup, tmp_path):
    first, second, third = (f"csrc/ops/meta/{name}.cpp" for name in "abc")
    (unit,) = setup["join"]([first, second], tmp_path)
    os.utime(unit, (1, 1))
    setup["join"]([first, second], tmp_path)
    assert os.stat(unit).st_mtime == 1
    setup["join"]([first, second, third], tmp_path)
    assert os.stat(unit).st_mtime > 1


def code(text):
    """Return C++ without comments, what is in strings, and the names of directives."""
    return re.sub(r'"(?:\\.|[^"\\\n])*"', '""', re.sub(r"//.*|^#\w+", "", text, flags=re.MULTILINE))


def own_names(text):
    """Return the names that a file keeps for itself: of its anonymous namespaces, and of macros."""
    names = set(re.findall(r"^#define (\w+)", text, re.MULTILINE))
    for block in ANONYMOUS.findall(text):
        block = re.sub(r"^template <.*>\n", "", code(block), flags=re.MULTILINE)
        for declaration in re.split(r"\n(?=\S)", block.strip()):
            if declaration[:1] in ("", "}", ")", "#") or FROM_ELSEWHERE.fullmatch(declaration.strip()):
                continue
            found = TYPE.match(declaration) or FUNCTION_OR_VARIABLE.match(declaration)
            assert found, f"cannot read {declaration!r}"
            names.add(found[1])
    return names


@functools.cache
def included(file, folders):
    """Return the headers that a file itself includes and that are in some folders."""
    names = re.findall(r'^#\s*include\s*[<"]([^>"]+)[>"]', file.read_text(), re.MULTILINE)
    places = [[at / name for at in (file.parent, *folders)] for name in names]
    return {header.resolve() for paths in places for header in [*filter(Path.is_file, paths)][:1]}


@functools.cache
def headers(file, folders):
    """Return the headers that a file includes, with those that they include."""
    found = set()
    waiting = [file]
    while waiting:
        new = included(waiting.pop(), folders) - found
        found |= new
        waiting += new
    return found


@functools.cache
def declared(file):
    """Return names that a file declares: macros, types, the project's functions and ATen's operators."""
    text = file.read_text()
    names = set(re.findall(r"^#define ([A-Z]\w+)", text, re.MULTILINE))
    names |= set(re.findall(r"\b(?:class|struct|typename|using)\s+(?:\w+_API\s+)?([A-Z]\w+)", text))
    if file.is_relative_to(CSRC):
        names |= set(re.findall(r"^(?!return)[A-Za-z][\w:<>,&* ]*?\b(\w+)\(", text, re.MULTILINE))
    elif file.parent.match("ATen/ops"):
        names.add(f"at::{file.stem}")
    return names


def conflicts(files):
    """Yield where one of the files compiled as one would see a name that another keeps for itself."""
    texts = {file: file.read_text() for file in files}
    for file, text in texts.items():
        seen = headers(file, (CSRC,))
        for other in files:
            if other == file:
                continue
            # Headers that come after those names see them too.
            readers = [other, *(headers(other, (CSRC,)) - seen)]
            for reader in readers:
                words = set(re.findall(rf"{UNQUALIFIED}\w+", code(reader.read_text())))
                for name in own_names(text) & words:
                    yield f"{file.name} keeps {name} for itself, which {reader.name} has too"


def lacking(files, folders):
    """Yield which of the files compiled as one has a name by a header that only another one includes."""
    for file in files:
        included = headers(file, folders)
        words = set(re.findall(r"(?<!\.)(?<!->)\b(?:at::)?\w+", code(file.read_text())))
        unknown = words.difference(declared(file), *map(declared, included))
        for header in set().union(*(headers(other, folders) for other in files)) - included:
            for name in declared(header) & unknown:
                yield f"{file.name} includes no header for {name}, such as {header.name}"


@pytest.fixture(scope="module")
def joined(setup):
    """The lists of files that are compiled as one."""
    folders = {}
    for source in setup["sources"](""):
        if setup["within"](source, setup["JOINED"]) and not setup["within"](source, setup["APART"]):
            folders.setdefault(Path(source).parent, []).append(ROOT / source)
    assert len(folders) > 10
    return list(folders.values())


def test_files_compiled_as_one_keep_their_names_apart(joined):
    """A collision could be an overload, and a call of another function without an error."""
    wrong = [conflict for files in joined for conflict in conflicts(files)]
    for files in joined:
        for file in files:
            text = file.read_text()
            if re.search(r"^using namespace", text, re.MULTILINE):
                wrong.append(f"{file.name} has a using-directive, which reaches the next file")
            if file != files[0] and re.search(r"^#define.*?^#include", text, re.MULTILINE | re.DOTALL):
                wrong.append(f"{file.name} defines a macro for headers that a file before it may have included")
    assert wrong == []


def test_files_compiled_as_one_include_what_they_use(setup, joined):
    folders = (CSRC, *map(Path, setup["include_paths"]()))
    assert [missing for files in joined for missing in lacking(files, folders)] == []


def test_a_name_of_two_files_is_found(tmp_path):
    kept = "namespace moe {\nnamespace {\n\n{}\n\n}  // namespace\n}  // namespace moe\n"
    first, second = tmp_path / "first.cpp", tmp_path / "second.cpp"
    second.write_text("namespace moe {\nint twice() {\n  return half(4.0);\n}\n}  // namespace moe\n")
    for declaration in (
        "int half(int x) {\n  return x / 2;\n}",
        "template <typename T>\nT half(T x) {}",
        "struct half {};",
    ):
        first.write_text(kept.replace("{}", declaration, 1))
        assert list(conflicts([first, second])) == ["first.cpp keeps half for itself, which second.cpp has too"]
    first.write_text(kept.replace("{}", "int third(int x) {\n  return x / 3;\n}", 1))
    assert list(conflicts([first, second])) == []


@pytest.mark.parametrize(
    "use", ["TORCH_LIBRARY_IMPL(moe, CPU, m) {}", "torch::Library* library;", "auto zero = at::zeros({1});"]
)
def test_a_header_that_only_another_file_includes_is_found(setup, tmp_path, use):
    folders = (CSRC, *map(Path, setup["include_paths"]()))
    first, second, whole = (tmp_path / f"{name}.cpp" for name in ("first", "second", "whole"))
    first.write_text("#include <torch/library.h>\n#include <ATen/ops/zeros.h>\n")
    second.write_text(use)
    whole.write_text(first.read_text() + use)
    assert list(lacking([first, second], folders)) != []
    assert list(lacking([first, whole], folders)) == []
