"""The code that makes a result again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analysis.paper.methods import several
from data.errors import BrainLensError

__all__ = ["python_answer", "python_code"]


def python_code(scores, *, recording: str | Sequence[str] | None = None, columns: Mapping | None = None,
                models: Sequence[str] | None = None) -> str:  # fmt: skip
    """A script that computes the same numbers again and says so where they differ.

    Parameters
    ----------
    scores : Score or iterable of Score
    recording : str or sequence of str, optional
        What the user selected, once or for each score: an id, ``id@version``, the path of an own file, ``path#corpus``; None: the
        recording's id.
    columns : mapping, optional
        How an own file's columns are read, as for :func:`data.catalog.catalog.recording`.
    models : sequence of str, optional
        The same for the model of each score, such as the path of a file of activations; None: the model's id.
    """
    scores = several(scores)
    if not scores:
        raise BrainLensError("No score to write code for", remedy="Compute a score first")
    data = (
        [recording] * len(scores)
        if recording is None or isinstance(recording, str)
        else list(recording)
    )
    data = [name or one.recording for name, one in zip(data, scores, strict=True)]
    models = [one.model for one in scores] if models is None else models
    lines = [
        '"""Made by BrainLens: computes these scores again and compares them with what was shown."""',
        "",
        "from analysis import preset, score",
        *(["from data.catalog.catalog import recording"] if columns else []),
        "",
        "# model, recording, protocol, layers, the r that was shown",
        "RUNS = [",
    ]
    for model, which, one in zip(models, data, scores, strict=True):
        how = (
            f"recording({which!r}, {', '.join(f'{k}={v!r}' for k, v in columns.items())})"
            if columns
            else repr(which)
        )
        changes = ", ".join(f"{name}={value!r}" for name, value in one.protocol.changes().items())
        protocol = f'preset("{one.protocol.name.rstrip("*")}")' + (
            f".but({changes})" if changes else ""
        )
        every = (
            one.layers == list(range(one.provenance["model"]["layers"] + 1))
            if one.provenance["model"]["layers"] is not None
            else True
        )
        lines.append(
            f"    ({model!r}, {how}, {protocol}, {None if every else one.layers}, {one.value:.6f}),"
        )
    simulated = any(one.provenance["recording"]["simulated"] for one in scores)
    lines += [
        "]",
        *(["# The data are simulated: the truth was planted."] if simulated else []),
        "",
        "for model, data, protocol, layers, shown in RUNS:",
        "    result = score(model, data, protocol, layers=layers)",
        "    print(result.sentence())",
        "    print(result.table().to_string(index=False))",
        "    same = abs(result.value - shown) < 5e-4",
        '    print(f"r = {result.value:.4f}, shown {shown:.4f}:", "the same" if same else "DIFFERENT")',
    ]
    return "\n".join(lines) + "\n"


def python_answer(name: str, **arguments) -> str:
    """A script that gives a published view again.

    Parameters
    ----------
    name : str
        ``"task"`` or ``"untrained"``: the file and the function in it.
    **arguments
        Of that function in :mod:`analysis.answers`.
    """
    call = f"{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"
    return "\n".join([
        '"""Made by BrainLens: the published table behind the figure, and its answer in words."""',
        "",
        f"from analysis.answers.{name} import {name}",
        "",
        f"answer = {call}",
        "print(answer.sentence)",
        "print(answer.caption)",
        f'answer.frame.to_csv("{name}.csv", index=False)',
        "",
    ])  # fmt: skip
