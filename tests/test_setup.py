"""The build: what it refuses before it compiles, and that files that it compiles as one do not need each other."""

import functools
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import venv
import zipfile
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
        setup["find_metalium"]()


def test_what_was_built_is_in_the_metadata(setup, monkeypatch):
    """`pip show` prints the summary; without --verbose, pip shows nothing that a build prints."""
    monkeypatch.setenv("TORCH_MOE_METAL", "0")
    monkeypatch.setattr(sys, "argv", ["setup.py", "dist_info"])
    assert setup["description"]().endswith("for CPU and Tenstorrent devices; built without TT-Metalium")
    monkeypatch.setattr(sys, "argv", ["setup.py", "sdist"])
    assert setup["description"]().endswith("for CPU and Tenstorrent devices")


def test_a_tt_metalium_is_named_in_the_metadata(setup, monkeypatch, tmp_path):
    monkeypatch.delenv("TORCH_MOE_METAL", raising=False)
    for file in ("include/tt-metalium/host_api.hpp", "lib/libtt_metal.so"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).touch()
    version = tmp_path / "lib/cmake/tt-metalium/tt-metalium-config-version.cmake"
    version.parent.mkdir(parents=True)
    version.write_text('set(PACKAGE_VERSION "0.73.1")\n')
    monkeypatch.setenv("TT_METALIUM_PREFIX", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["setup.py", "dist_info"])
    assert setup["description"]().endswith("; built with TT-Metalium 0.73.1")


def test_debug_builds_every_library_for_a_debugger(monkeypatch):
    monkeypatch.setenv("DEBUG", "1")
    with mock.patch("setuptools.setup") as call, mock.patch.dict(os.environ):
        runpy.run_path(str(ROOT / "setup.py"))
    for extension in call.call_args.kwargs["ext_modules"]:
        assert {"-O0", "-g3", "-UNDEBUG"} <= set(extension.extra_compile_args)
        assert "-Wl,-s" not in extension.extra_link_args


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
    unit = tmp_path / "ops.cpp"
    assert str(unit) in compiled
    assert '#include "ops/meta/grouped_linear.cpp"' in unit.read_text().splitlines()
    assert '#include "ops/tt' not in unit.read_text()
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


def build_editable(clone, wheels, **variables):
    """Return the wheel of an editable install, as pip has setuptools make it."""
    process = subprocess.run(
        [sys.executable, "-c", f"from setuptools import build_meta; print(build_meta.build_editable({str(wheels)!r}))"],
        cwd=clone,
        env=os.environ | {"TORCH_MOE_METAL": "0"} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return wheels / process.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """A clone whose C++ is next to nothing, and the wheel of its editable install."""
    clone = tmp_path_factory.mktemp("clone")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "_torch_moe_ttnn_autoload.py"):
        shutil.copy(ROOT / name, clone)
    shutil.copytree(ROOT / "torch_moe_ttnn", clone / "torch_moe_ttnn", ignore=shutil.ignore_patterns("_built", "*.so"))
    (clone / "csrc/python").mkdir(parents=True)
    (clone / "csrc/library.cpp").write_text("#include <c10/macros/Macros.h>\n")
    (clone / "csrc/python/bindings.cpp").write_text("#include <Python.h>\n")
    return clone, build_editable(clone, tmp_path_factory.mktemp("wheels"))


def test_what_has_not_changed_is_not_compiled_again(clone, tmp_path):
    """Also by pip, which puts torch into another folder each time."""
    folder, _ = clone
    objects = {file: os.stat(file).st_mtime for file in folder.glob("build/**/*.o")}
    assert len(objects) == 2
    (tmp_path / "torch").mkdir()
    for part in Path(sys.modules["torch"].__path__[0]).iterdir():
        (tmp_path / "torch" / part.name).symlink_to(part)
    build_editable(folder, tmp_path, PYTHONPATH=str(tmp_path))
    assert {file: os.stat(file).st_mtime for file in objects} == objects
    (link,) = folder.glob("build/*/torch-headers-0")
    assert str(link.readlink()).startswith(str(tmp_path))
    # What pip installs is newer than the objects.
    for ninja in folder.glob("build/**/build.ninja"):
        dependencies = subprocess.check_output(["ninja", "-t", "deps"], cwd=ninja.parent, text=True)
        assert str(folder / "csrc") in dependencies
        assert "torch-headers" not in dependencies


def test_an_editable_install_is_a_path(clone):
    """Type checkers and IDEs follow no hooks of Python's import."""
    folder, wheel = clone
    with zipfile.ZipFile(wheel) as files:
        (name,) = (name for name in files.namelist() if name.endswith(".pth"))
        assert files.read(name).decode() == f"{folder.resolve()}\n"


def test_a_clone_that_is_gone_does_not_break_torch(clone, tmp_path):
    folder, wheel = clone
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as files:
        files.extractall(site)
    (metadata,) = site.glob("*.dist-info")
    (metadata / "direct_url.json").write_text(json.dumps({"url": folder.as_uri(), "dir_info": {"editable": True}}))
    (site / "torch.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))

    def imports():
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("TORCH_", "PYTHON"))}
        process = subprocess.run(
            [tmp_path / "venv/bin/python", "-c", "import torch; print(torch.ones(2).tolist())"],
            env=variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (process.returncode, process.stdout) == (0, "[1.0, 1.0]\n"), process.stderr
        return process.stderr

    assert "torch_moe_ttnn" not in imports()
    moved = folder.rename(folder.with_name("moved"))
    try:
        assert (
            f"torch_moe_ttnn is installed, but {folder} is gone: run `pip install -e .` where it is now, or `pip "
            "uninstall torch_moe_ttnn`." in imports()
        )
    finally:
        moved.rename(folder)


def test_a_torch_that_does_not_fit_is_named_where_it_does_not_compile(clone, tmp_path):
    folder, _ = clone
    shutil.copytree(folder, tmp_path / "clone", ignore=shutil.ignore_patterns("build"))
    (tmp_path / "clone/csrc/library.cpp").write_text("#error of torch\n")
    script = tmp_path / "clone/setup.py"
    script.write_text(script.read_text().replace('SpecifierSet(">=2.11', 'SpecifierSet(">=9.11'))
    process = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=tmp_path / "clone",
        env=os.environ | {"TORCH_MOE_METAL": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 1
    assert "error of torch" in process.stdout
    last = process.stderr.splitlines()[-1]
    assert re.fullmatch(r"it does not compile with torch .*: expected a release .*>=9\.11", last)


def test_a_library_is_for_one_python_and_one_torch(setup):
    name = setup["PLACE"]["folder_name"]
    assert name("2.13.0") == name("2.13.0+cpu") == name("2.13.1") != name("2.14.0")
    assert f"_{sys.version_info.major}{sys.version_info.minor}" in name("2.13.0")
    assert name("2.13.0").isidentifier()


def code(text):
    """Return C++ without comments, what is in strings, and the names of directives."""
    return re.sub(r'"(?:\\.|[^"\\\n])*"', '""', re.sub(r"//.*|^#\w+", "", text, flags=re.MULTILINE))


@functools.cache
def unqualified(text):
    """Return the words of C++ that no other name qualifies."""
    return set(re.findall(rf"{UNQUALIFIED}\w+", code(text)))


@functools.cache
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
                for name in own_names(text) & unqualified(reader.read_text()):
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
        folder = setup["joined_in"](source)
        if folder is not None:
            folders.setdefault(folder, []).append(ROOT / source)
    assert set(folders) == set(setup["JOINED"])
    return list(folders.values())


def test_files_compiled_as_one_keep_their_names_apart(joined):
    """A collision could be an overload, and a call of another function without an error."""
    wrong = [conflict for files in joined for conflict in conflicts(files)]
    for files in joined:
        for file in files:
            text = file.read_text()
            if file != files[-1] and re.search(r"^using namespace", text, re.MULTILINE):
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
