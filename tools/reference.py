"""The pages of docs/reference, made from the code: ``python -m tools.reference`` writes them, a test holds them in step."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from analysis.features.controls import CONTROLS
from analysis.models.classes import CLASSES
from analysis.protocol import CHOICES, PRESETS, Protocol
from analysis.scoring.metrics import METRICS
from dashboards import LENSES
from dashboards.state import Selection

__all__ = ["main", "pages"]

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "reference"
FLOORS = {
    "data": "What was measured",
    "analysis": "How it is scored",
    "dashboards": "How it is shown",
}
MADE = "<!-- Made by `make reference`; do not edit. -->\n"


def pages() -> dict[str, str]:
    """Every page by its name under docs/reference."""
    return {
        "protocol.md": _protocol(),
        "command.md": _command(),
        "lenses.md": _lenses(),
        "names.md": _registries(),
        **_modules(),
    }


# ---- protocol -------------------------------------------------------------------------------------------------------------
def _protocol() -> str:
    words = described(Protocol)
    lines = [
        MADE,
        "# Protocol fields\n",
        "Every choice behind a number. `preset(name).but(field=value)` changes one, `--set field=value` on the command line,",
        "`set.field=value` in a link. What each is for stands in [Method](../method.md).\n",
        "| field | default | values | what it says |",
        "|---|---|---|---|",
    ]
    for one in dataclasses.fields(Protocol):
        choices = ", ".join(f"`{value}`" for value in CHOICES.get(one.name, ()))
        default = one.default
        if isinstance(default, tuple) and len(default) > 5:
            default = f"{default[0]:g} .. {default[-1]:g} ({len(default)} values)"
        lines.append(f"| `{one.name}` | `{default}` | {choices} | {_cell(words[one.name])} |")
    lines += ["\n## Presets\n", "| preset | differs from `defended` in |", "|---|---|"]
    plain = Protocol()
    for name, preset in PRESETS.items():
        changed = {
            one.name: getattr(preset, one.name)
            for one in dataclasses.fields(Protocol)
            if one.name != "name" and getattr(preset, one.name) != getattr(plain, one.name)
        }
        said = ", ".join(f"`{key}={value}`" for key, value in changed.items())
        lines.append(f"| `{name}` | {said or 'nothing'} |")
    return "\n".join(lines) + "\n"


def described(cls: type) -> dict[str, str]:
    """Parameter -> its description, from a numpydoc docstring; ``a, b : type`` describes both."""
    text = inspect.cleandoc(cls.__doc__ or "")
    section = text.partition("Parameters\n----------\n")[2]
    found: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        if re.match(r"^[A-Z][a-z]+$", line):
            break
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.partition(" : ")[0].split(",")]
            found |= dict.fromkeys(names, "")
        elif names:
            found |= {name: f"{found[name]} {line.strip()}".strip() for name in names}
    return found


# ---- command line ---------------------------------------------------------------------------------------------------------
def _command() -> str:
    from dashboards.command.cli import main as group

    lines = [
        MADE,
        "# Command line\n",
        "`brainlens COMMAND --help` says the same. An error names the value, the choices and the next step;",
        "`BRAINLENS_DEBUG=1` adds the traceback.\n",
    ]
    for path, command in commands(group, ("brainlens",)):
        if isinstance(command, click.Group):
            continue
        places = [one for one in command.params if isinstance(one, click.Argument)]
        options = [one for one in command.params if isinstance(one, click.Option)]
        usage = " ".join([*path, *(one.make_metavar(click.Context(command)) for one in places)])
        lines += [
            f"## `{' '.join(path)}`\n",
            f"```sh\n{usage}\n```\n",
            inspect.cleandoc(command.help or ""),
            "",
        ]
        if options:
            lines += ["| option | default | what it does |", "|---|---|---|"]
            lines += [
                f"| `{' '.join(one.opts)}` | {_default(one)} | {_cell(one.help or '')} |"
                for one in options
            ]
            lines.append("")
    return "\n".join(lines)


def commands(
    command: click.Command, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """A command and all below it, with the words that call it."""
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in sorted(command.commands.items()):
            yield from commands(inner, (*path, name))


def _default(option: click.Option) -> str:
    shown = option.default
    if callable(shown) or type(shown).__name__ == "Sentinel":
        return ""
    return f"`{shown}`" if shown not in (None, "", (), False) else ""


# ---- lenses and registries ------------------------------------------------------------------------------------------------
def _lenses() -> str:
    lines = [
        MADE,
        "# Lenses\n",
        "A lens is one question. In the browser it is a tab (`lens=SLUG` in the link), in a notebook a cell's value:",
        '`from dashboards import Layers; Layers(models=["gpt2"], recording="simulated")`.\n',
        "| lens | slug | question | fields of the selection it follows | what it shows |",
        "|---|---|---|---|---|",
    ]
    for slug in LENSES.own:
        lens = LENSES[slug]
        follows = ", ".join(f"`{name}`" for name in getattr(lens, "watches", ()))
        first = inspect.cleandoc(lens.__doc__ or "").split("\n\n")[0].replace("\n", " ")
        lines.append(f"| {lens.label} | `{slug}` | {lens.question} | {follows} | {_cell(first)} |")
    lines += [
        "\n## Fields of the selection\n",
        "| field | default | what it says |",
        "|---|---|---|",
    ]
    for name in sorted(set(Selection.param) - {"name"}):
        field = Selection.param[name]
        lines.append(f"| `{name}` | `{field.default!r}` | {_cell(field.doc or '')} |")
    return "\n".join(lines) + "\n"


def _registries() -> str:
    lines = [MADE, "# What can be added by name\n", "See [Extending](../extending.md).\n"]
    for title, registry in (
        ("Classes of model", CLASSES),
        ("Metrics", METRICS),
        ("Controls", CONTROLS),
        ("Lenses", LENSES),
    ):
        lines += [
            f"## {title}\n",
            f"Entry points: `{registry.group}`.\n",
            "| name | what it is |",
            "|---|---|",
        ]
        for name in registry.own:
            first = inspect.cleandoc(registry[name].__doc__ or "").split("\n\n")[0]
            lines.append(f"| `{name}` | {_cell(first)} |")
        lines.append("")
    return "\n".join(lines)


# ---- modules --------------------------------------------------------------------------------------------------------------
def _modules() -> dict[str, str]:
    """A page per floor: its rooms, and every module with public names."""
    made = {}
    for floor, title in FLOORS.items():
        lines = [MADE, f"# {floor}: {title.lower()}\n"]
        rooms: dict[str, list[Path]] = {}
        for path in sorted((ROOT / floor).rglob("*.py")):
            parts = path.relative_to(ROOT / floor).parts
            rooms.setdefault(parts[0] if len(parts) > 1 else "", []).append(path)
        for room, paths in rooms.items():
            if room:
                lines += [f"## {floor}.{room}\n", *_summary(ROOT / floor / room / "__init__.py")]
            for path in paths:
                module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                if path.name != "__init__.py" and _public(path):
                    lines.append(f"::: {module}\n")
        made[f"{floor}.md"] = "\n".join(lines)
    return made


def _summary(path: Path) -> list[str]:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) if path.is_file() else ""
    return [f"{text.splitlines()[0]}\n"] if text else []


def _public(path: Path) -> bool:
    return any(
        isinstance(node, ast.Assign)
        and any(getattr(t, "id", "") == "__all__" for t in node.targets)
        for node in ast.parse(path.read_text(encoding="utf-8")).body
    )


def _cell(text: str) -> str:
    """Words for the cell of a table."""
    plain = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", " ".join(text.split())).replace("``", "`")
    return plain.replace("|", "\\|")


def main() -> None:
    """Write the pages."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
