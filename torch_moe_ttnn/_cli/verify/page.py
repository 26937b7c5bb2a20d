"""The page of a verification, in Markdown, which an issue on GitHub shows as it is. Made of the document alone."""

from collections import Counter
from typing import Any

from torch_moe_ttnn._cli import report

_MARKS = {"passed": "passed", "failed": "**FAILED**", "skipped": "skipped", "running": "**unfinished**"}

_MOST_CHARACTERS = 60_000
"""An issue takes 65,536."""


def page(document: dict[str, Any]) -> str:
    """Return the page of a document."""
    checks = document["checks"]
    counts = Counter(check["result"] for check in checks)
    summary = ", ".join(f"{counts[result]} {result}" for result in _MARKS if counts[result])
    sizes = ", every size" if document["full"] else ""
    parts = [
        f"# torch_moe_ttnn on {_device(checks)}: {document['result']}",
        f"{summary}; {document['seconds']:g} seconds; began {document['began']}; seed {document['seed']}{sizes}.",
        "Made by `python -m torch_moe_ttnn --device tt --verify`. Names of users and hosts, and the folders of paths, "
        "were left out.",
        *([] if _is_card(checks) else ["No card was used: the times below say nothing of a card's."]),
        *(_failure(check) for check in checks if check["result"] in ("failed", "running")),
        "## Checks",
        report.markdown(
            ("group", "check", "result", "seconds", "why"),
            [
                [
                    check["group"],
                    check["name"],
                    _MARKS[check["result"]],
                    f"{check['seconds']:.1f}",
                    _cell(_short(check["reason"])),
                ]
                for check in checks
            ],
        ),
        "## What was found",
        *(part for check in checks for part in _details(check)),
    ]
    text = "\n\n".join(parts)
    if len(text) > _MOST_CHARACTERS:
        text = f"{text[:_MOST_CHARACTERS]}\n```\n\nThe rest is in the JSON file."
    return f"{text}\n"


def _found(checks: list[dict[str, Any]], name: str) -> object:
    return next((check["details"][name] for check in checks if name in check["details"]), None)


def _device(checks: list[dict[str, Any]]) -> str:
    return f"{_found(checks, 'name') or 'an unknown device'} ({_found(checks, 'kind') or 'not opened'})"


def _is_card(checks: list[dict[str, Any]]) -> bool:
    return bool(_found(checks, "kind") == "card")


def _short(text: str, most: int = 160) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= most else f"{line[:most]} …"


def _cell(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _failure(check: dict[str, Any]) -> str:
    head = f"## {check['group']}: {check['name']} {_MARKS[check['result']]}"
    at = f" It was at: {_cell(check['at'])}." if check["at"] else ""
    fenced = [text.strip() for text in (check["reason"], check.get("traceback"), check.get("output")) if text]
    blocks = [f"````text\n{text}\n````" for text in fenced if text]
    return "\n\n".join([head, f"{_cell(check['description'])}{at}", *blocks])


def _is_table(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {"header", "rows"}


def _details(check: dict[str, Any]) -> list[str]:
    if not check["details"]:
        return []
    values = {name: value for name, value in check["details"].items() if not _is_table(value)}
    tables = {name: value for name, value in check["details"].items() if _is_table(value)}
    parts = [f"### {check['group']}: {check['name']}"]
    if values:
        parts.append(report.markdown(("", ""), [(_cell(name), _cell(value)) for name, value in values.items()]))
    for name, value in tables.items():
        rows = [[_cell(cell) for cell in row] for row in value["rows"]]
        parts += [f"{_cell(name)}:", report.markdown(value["header"], rows)]
    return parts
