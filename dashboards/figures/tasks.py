"""Figures of what models do on tasks, and of how stimuli are told apart from what they predict."""

from __future__ import annotations

from dashboards.figures.spec import FigureSpec, Mark, Rule

__all__ = ["parts_of", "task_code", "told_apart"]


_CHANCE = dict.fromkeys(("glue", "table"), "baseline")


def parts_of(answer, left: str = "") -> FigureSpec:
    """Parts of a task below each other, one point per model; chance as a dash of its own."""
    frame = answer.frame
    order = frame.groupby("part")["score"].mean().sort_values(ascending=False).index
    frame = frame.set_index("part").loc[order].reset_index()
    hover = tuple(
        c
        for c in ("model", "part", "score", "low", "high", "chance", "n", "published")
        if c in frame
    )
    chance = frame.drop_duplicates("part")[["part", "chance"]].rename(columns={"chance": "score"})
    marks = [
        Mark("points", chance, "part", "score", name=_CHANCE.get(answer.facts["kind"], "chance"), muted=True),
        Mark("points", frame, "part", "score", "low", "high", colour="model", hover=hover),
    ]  # fmt: skip
    if "published" in frame and frame["published"].notna().any():
        shown = frame.dropna(subset=["published"])[["part", "model", "published"]]
        name = "published (Schrimpf et al. 2021)"
        marks.append(Mark("points", shown, "part", "published", name=name, ringed=True))
    return FigureSpec(
        "What can the models do?",
        tuple(marks),
        "",
        answer.axes["y_title"],
        (Rule("y", 0.0), Rule("y", 1.0)),
        answer=answer.sentence,
        caption=answer.caption + left,
        horizontal=True,
    )


def told_apart(answer, stamp: str = "") -> FigureSpec:
    """A point for each model and person under each measure of :func:`analysis.answers.told_apart.told_apart`."""
    frame = answer.frame
    chance = frame.groupby("measure", sort=False, as_index=False)["chance"].mean()
    hover = ("model", "measure", "value", "chance", "p", "n")
    marks = (
        Mark("points", chance.rename(columns={"chance": "value"}), "measure", "value", name="chance", muted=True),
        Mark("points", answer.facts["people"], "measure", "value", colour="model", name="one person",
             hover=("model", "person", "measure", "value"), muted=True),
        Mark("points", frame, "measure", "value", colour="model", hover=hover, ringed=True),
    )  # fmt: skip
    return FigureSpec(
        "Which stimulus was it?",
        marks,
        answer.axes["x_title"],
        answer.axes["y_title"],
        answer=answer.sentence,
        caption=answer.caption,
        stamp=stamp,
        horizontal=True,
    )


def task_code(choice) -> str:
    """The code that gives the figure again."""
    changes = ", ".join(f"{name}={value!r}" for name, value in choice.changes.items())
    protocol = f"preset({choice.preset!r})" + (f".but({changes})" if changes else "")
    named = choice.task.startswith("glue") and choice.folder
    folder = f", folder={choice.folder!r}" if named else ""
    return "\n".join([
        '"""Made by BrainLens: a task, run here."""',
        "",
        "from analysis import preset",
        "from analysis.answers.live_tasks import live_tasks, run_task",
        "",
        f"protocol, layer, task = {protocol}, {choice.layer or -1!r}, {choice.task!r}",
        f"made = [run_task(model, task, protocol, layer=layer{folder}) for model in {list(choice.models)!r}]",
        "answer = live_tasks(made)",
        "print(answer.sentence)",
        "print(answer.caption)",
        'answer.frame.to_csv("task.csv", index=False)',
        "",
    ])  # fmt: skip
