"""What the documents say: their Python runs; links, paths and environment variables exist."""

import re

import pytest
import torch

from support.documents import ROOT, blocks_of, run_blocks

# CONTRIBUTING.md and others at the root, and the README of each folder; not what was built or installed here.
DOCUMENTS = sorted(
    file
    for pattern in ("*.md", "docs/**/*.md", "tests/**/*.md", "benchmarks/**/*.md", "csrc/**/*.md", "tools/**/*.md")
    for file in ROOT.glob(pattern)
)
# Needs ttnn and a chip: tests/ttnn runs it.
WITH_TTNN = ROOT / "docs/ttnn.md"
names = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))


def without_blocks(text):
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)


def run(document):
    """Execute a document's Python without warnings of fallbacks, and return its names."""
    mode = torch.tt.get_fallback_mode()
    torch.tt.set_fallback_mode("silent")
    try:
        return run_blocks(document)
    finally:
        torch.tt.set_fallback_mode(mode)


@pytest.mark.parametrize(
    "document", [d for d in DOCUMENTS if blocks_of(d) and d != WITH_TTNN], ids=lambda file: str(file.relative_to(ROOT))
)
def test_python_runs(document, inductor):
    run(document)


@names
def test_no_python_block_is_passed_over(document):
    """All else than ```python at the margin is not run, so it has another language."""
    text = document.read_text()
    fences = re.findall(r"^( *)```(\S*)[^\n]*\n.*?^ *```$", text, re.MULTILINE | re.DOTALL)
    assert {
        fence for fence in fences if fence not in [("", name) for name in ("python", "bash", "sh", "text")]
    } == set()


def test_readme_has_python():
    assert len(blocks_of(ROOT / "README.md")) >= 2


def test_graphs_compute_what_they_say(inductor):
    found = run(ROOT / "docs/graphs.md")
    hidden = found["hidden"]
    # Sums of products of numbers that are not small.
    torch.testing.assert_close(found["compiled"](hidden), found["layer"](hidden), rtol=1e-4, atol=1e-2)
    # Each token went to eight experts.
    torch.testing.assert_close(found["sums"], 8 * hidden)


def anchors_of(document):
    headings = re.findall(r"^#+ (.*)$", without_blocks(document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@names
def test_links_resolve(document):
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", without_blocks(document.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    assert broken == []


@names
def test_paths_exist(document):
    pattern = r"(?<![\w/.-])((?:csrc|torch_moe_ttnn|tests|docs|tools|benchmarks|examples)/[\w./-]*\w)"
    code = re.findall(r"`([^`\n]+)`", without_blocks(document.read_text()))
    paths = {path for piece in code for path in re.findall(pattern, piece)}
    assert sorted(path for path in paths if not (ROOT / path).exists()) == []


def test_environment_variables_are_documented():
    pattern = r"\bTORCH_(?:TT|MOE)_[A-Z][A-Z_]*\b"
    sources = [ROOT / "setup.py"]
    for folder, endings in (("csrc", (".h", ".cpp")), ("torch_moe_ttnn", (".py",))):
        sources += [file for file in (ROOT / folder).rglob("*") if file.suffix in endings]
    in_code = {name for file in sources for name in re.findall(pattern, file.read_text())}
    table = re.findall(rf"^\| `({pattern})`", (ROOT / "docs/tt-device.md").read_text(), re.MULTILINE)
    assert sorted(table) == sorted(in_code)
    in_documents = {name for file in DOCUMENTS for name in re.findall(pattern, file.read_text())}
    assert in_documents <= in_code
