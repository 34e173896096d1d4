"""Figures of the Trust screen, one for each doubt."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from analysis.answers.answer import decimal
from dashboards.figures.spec import ITEM, FigureSpec, Mark, Rule
from data.shares import percent

__all__ = [
    "choices",
    "court",
    "curve",
    "falls",
    "figures",
    "leaks",
    "matrices",
    "of_model",
    "omega",
    "omega_by_person",
    "optimism",
    "published",
    "shares",
    "waterfall",
    "waterfalls",
]

APART = {
    "controls": ("Minus controls", "what is its own?"),
    "ceiling": ("Over the ceiling", "how much of what can be reached?"),
}
"""Waterfalls on a scale of their own -> label and question."""
EVERY = "every model"
"""Behind the label of a figure that shows all of them."""
STEPS = {"start": "the number", "end": "the number", "up": "raises it", "down": "lowers it"}


def _spec(said, title: str, marks, rules: tuple[Rule, ...] = (), **more) -> FigureSpec:
    axes = {"x_title": said.axes.get("x_title", ""), "y_title": said.axes.get("y_title", "")}
    return FigureSpec(
        title,
        tuple(marks),
        rules=rules,
        answer=said.sentence,
        caption=said.caption,
        **(axes | more),
    )


def leaks(said) -> FigureSpec:
    """Models, controls and OASM under held-out groups and shuffled; of :func:`analysis.answers.trust.leaks.leak_meter`."""
    hover = ("what", "folds", "r", "low", "high", "n")
    mark = Mark("points", said.frame, "what", "r", "low", "high", colour="folds", hover=hover)
    return _spec(said, "Does the score leak?", (mark,), (Rule("y", 0.0),), horizontal=True)


def omega(said) -> FigureSpec:
    """Parts of R2 that add up; of :func:`analysis.answers.trust.shares.explained_by_controls`."""
    whole = said.frame[said.frame["person"] == "all"]
    rows, words = [], []
    for row in whole.to_dict("records"):
        begin = 0.0
        for part, name in (
            ("unique", "the model alone"),
            ("shared", "shared"),
            ("left", "the controls alone"),
        ):
            rows.append(
                {
                    "model": row["model"],
                    "part": name,
                    "r2": row[part],
                    "from": begin,
                    "to": begin + row[part],
                }
            )
            begin += row[part]
        rows.append(
            {
                "model": row["model"],
                "part": "joint",
                "r2": row["joint"],
                "from": 0.0,
                "to": row["joint"],
            }
        )
        share = (
            f"Omega {percent(row['omega'] / 100)}"
            if row["omega"] == row["omega"]
            else "Omega not defined"
        )
        words.append(
            {
                "model": row["model"],
                "to": 1.02 * max(row["joint"], row["unique"] + row["shared"]),
                "words": share,
            }
        )
    bars = pd.DataFrame(rows)
    marks = (
        Mark("bars", bars, "model", "to", colour="part", base="from", hover=("model", "part", "r2")),
        Mark("text", pd.DataFrame(words), "model", "to", label="words"),
    )  # fmt: skip
    return _spec(said, "What do plain controls explain?", marks, (Rule("y", 0.0),))


def omega_by_person(said) -> FigureSpec:
    """Omega of every person with its interval; a person whose R2 is not above 0 has none, and is counted."""
    each = said.frame[said.frame["person"] != "all"]
    known = each[each["omega"].notna()]
    left = len(each) - len(known)
    words = f" Not defined for {left} of {len(each)}: their R2 is not above 0." if left else ""
    hover = ("model", "person", "omega", "omega_low", "omega_high", "unique", "joint", "undefined")
    mark = Mark(
        "points", known, "person", "omega", "omega_low", "omega_high", colour="model", hover=hover
    )
    return FigureSpec(
        "Is it so in every person?",
        (mark,),
        "",
        "Omega (% of the model's R2)",
        horizontal=True,
        answer=f"Omega from {known['omega'].min():.0f} to {percent(known['omega'].max() / 100)} over people.{words}"
        if len(known)
        else f"Omega is defined for nobody.{words}",
        caption="95 % over folds, widened for the training they share.",
    )  # fmt: skip


def court(said) -> FigureSpec:
    """Every estimator of the ceiling beside the raw scores; of :func:`analysis.answers.trust.court.ceiling_court`."""
    table = said.facts["ceilings"]
    table = table[table["ceiling"].notna()].assign(
        use=lambda t: t["divides"].map(
            {True: "ceiling of these scores", False: "bound, or of another score"}
        )
    )
    hover = ("estimator", "ceiling", "ceiling_low", "ceiling_high", "use", "flag")
    raw = said.frame.drop_duplicates("model")
    raw = pd.DataFrame(
        {
            "estimator": "r of " + raw["model"],
            "ceiling": raw["r"],
            "use": "score of a model",
            "flag": "",
        }
    )
    if len(table):
        table = pd.concat([table, raw], ignore_index=True)
    mark = Mark(
        "points",
        table,
        "estimator",
        "ceiling",
        "ceiling_low",
        "ceiling_high",
        colour="use",
        hover=hover,
    )
    return _spec(said, "Which ceiling, and what does it do?", (mark,), horizontal=True)


def shares(said) -> FigureSpec:
    """Each model's score divided by each ceiling that may be divided by; ranks and the variance scale on hover."""
    usable = said.frame[said.frame["divides"]]
    hover = ("estimator", "model", "r", "ceiling", "share", "share_low", "share_high", "variance_share", "each_share",
             "rank", "rank_share", "rank_each")  # fmt: skip
    mark = Mark(
        "points",
        usable,
        "estimator",
        "share",
        "share_low",
        "share_high",
        colour="model",
        hover=hover,
    )
    return FigureSpec(
        "What is reached of each?",
        (mark,),
        "",
        "Share of the ceiling, r / c",
        rules=(Rule("y", 1.0, "the ceiling"),),
        horizontal=True,
        answer=said.sentence,
        caption="Whiskers carry the ceiling's own interval. " + _ranks(said),
    )  # fmt: skip


def _ranks(said) -> str:
    """How the ranking moves from raw r to shares target by target."""
    usable = said.frame[said.frame["divides"] & said.frame["rank_each"].notna()]
    moved = [
        f"{row.model} {row.rank:.0f} to {row.rank_each:.0f} under {row.estimator}"
        for row in usable.itertuples()
        if row.rank != row.rank_each
    ]
    if moved:
        return f"Ranks by raw r and by ratios target by target: {'; '.join(moved)}."
    return "No rank moves from raw r to shares."


def optimism(said) -> FigureSpec:
    """The layer chosen four ways; of :func:`analysis.answers.trust.optimism.optimism`."""
    hover = ("model", "how", "layer", "r", "low", "high", "added")
    mark = Mark("points", said.frame, "how", "r", "low", "high", colour="model", hover=hover)
    return _spec(
        said, "What did choosing the layer add?", (mark,), (Rule("y", 0.0),), horizontal=True
    )


def waterfall(said, title: str = "From 2021's number to today's?") -> FigureSpec:
    """Bars from one number to another; of :func:`analysis.answers.trust.waterfall.waterfall`."""
    frame = said.frame
    does = (frame["change"] > 0).map({True: "up", False: "down"})
    does = frame["kind"].where(frame["kind"] != "change", does).map(STEPS)
    frame = frame.assign(
        does=pd.Categorical(does, list(dict.fromkeys(STEPS.values()))),
        words=[_written(row) for row in frame.to_dict("records")],
    )
    frame[ITEM] = frame["step"]
    hover = tuple(name for name in ("model", "step", "value", "change", "share") if name in frame)
    bars = Mark("bars", frame, "step", "top", colour="does", base="bottom", hover=hover)
    above = frame.assign(top=frame["top"] + 0.02 * frame["top"].abs().max())
    words = Mark("text", above, "step", "top", label="words")
    return _spec(said, title, (bars, words), (Rule("y", 0.0),))


def published(said) -> FigureSpec:
    """The published story: a model, and beside it OASM; of :func:`analysis.answers.trust.waterfall.published_story`."""
    both = pd.concat([said.frame, said.facts["oasm"]], ignore_index=True)
    return waterfall(replace(said, frame=both), "As published, not recomputed: what is left of it?")


def waterfalls(said) -> dict[str, FigureSpec]:
    """One waterfall for each model, and before several all of them in one figure."""
    models = dict.fromkeys(said.frame["model"])
    made = {} if len(models) == 1 else {f"Waterfall, {EVERY}": falls(said)}
    for model in models:
        rows = said.frame[said.frame["model"] == model].reset_index(drop=True)
        own = replace(said, frame=rows, sentence=said.facts["sentences"][model])
        behind = "" if len(models) == 1 else f": {model}"
        made[f"Waterfall{behind}"] = waterfall(own, f"{model}: from 2021 to today?")
        for what, apart in said.facts.get("apart", {}).get(model, {}).items():
            label, asks = APART[what]
            made[label + behind] = waterfall(apart, f"{model}: {asks}")
    return made


def falls(said) -> FigureSpec:
    """Where each model stands after every choice; of :func:`analysis.answers.trust.waterfall.waterfall`."""
    frame = said.frame[said.frame["kind"] != "end"]  # which repeats the last choice
    hover = ("model", "step", "value", "change", "share")
    mark = Mark("points", frame, "step", "value", colour="model", hover=hover)
    return _spec(
        said,
        "Every model: from 2021 to today?",
        (mark,),
        (Rule("y", 0.0),),
        horizontal=True,
        x_title="After this choice",
    )


def _written(row: dict) -> str:
    """The number of a bar; beside a change its order-free share, in brackets."""
    if row["kind"] != "change":
        return decimal(row["value"], 3)
    share = row.get("share", float("nan"))
    return _signed(row["change"]) + (f" ({_signed(share)})" if share == share else "")


def _signed(value: float) -> str:
    return ("\N{MINUS SIGN}" if value < 0 else "+") + decimal(abs(value), 3)


def curve(said) -> FigureSpec:
    """Specifications sorted by their number; of :func:`analysis.answers.trust.specifications.curve`."""
    frame = said.frame.assign(**{ITEM: said.frame["model"] + ": " + said.frame["cell"]})
    hover = ("model", "cell", "r", "low", "high", "layer_used", "defensible")
    hover = tuple(name for name in hover if name in frame)
    marks = [
        Mark("points", frame[~frame["defensible"]], "place", "r", "low", "high", colour="model",
             hover=hover, muted=True, name="not counted"),
        Mark("points", frame[frame["defensible"]], "place", "r", "low", "high", colour="model", hover=hover),
    ]  # fmt: skip
    return _spec(
        said, "Does it hold under other choices?", [m for m in marks if len(m.frame)], (Rule("y", 0.0),), whole_x=True
    )  # fmt: skip


def choices(said, model: str, title: str = "Which choices are behind each?") -> FigureSpec:
    """Which options each specification of a model has, in the order of the curve."""
    frame = said.frame[said.frame["model"] == model]
    known = {
        "model",
        "cell",
        "r",
        "low",
        "high",
        "defensible",
        "changes",
        "preset",
        "place",
        "layer_used",
        ITEM,
    }
    axes = [name for name in frame.columns if name not in known and frame[name].nunique() > 1]
    rows = [
        {"option": f"{axis}: {value}", "place": place, "choice": axis}
        for axis in axes
        for value in dict.fromkeys(frame[axis])
        for place in frame.loc[frame[axis] == value, "place"]
    ]  # fmt: skip
    dots = pd.DataFrame(rows, columns=["option", "place", "choice"])
    return FigureSpec(
        title,
        (Mark("points", dots, "option", "place", colour="choice", hover=("option", "place")),),
        "",
        "Specifications, sorted",
        horizontal=True,
        answer=f"Dots below the curve: the options of each specification of {model}, in its order.",
        caption="One column for each specification, from the lowest r to the highest.",
    )


def matrices(said) -> dict[str, FigureSpec]:
    """Of each model, trained on rows and tested on columns, darker where r is higher; before several all of them in one figure.

    Of :func:`analysis.answers.trust.generalise.matrix`.
    """
    models, made = list(dict.fromkeys(said.frame["model"])), {}
    several = len(models) > 1
    if several:
        made |= {
            f"{over}, {EVERY}": _lost(said, over) for over in dict.fromkeys(said.frame["over"])
        }
    for (model, over), frame in said.frame.groupby(["model", "over"], sort=False):
        rows = _same_and_others(frame, "trained")
        mark = Mark(
            "points", rows, "trained", "r", colour="tested_on", hover=("trained", "tested_on", "r")
        )
        heat = frame.pivot(index="trained", columns="tested", values="r")
        heat = heat.loc[list(dict.fromkeys(frame["trained"])), list(dict.fromkeys(frame["tested"]))]
        own = replace(said, sentence=said.facts["sentences"][model])
        asks = f"{model}: does it hold for other {over}?"
        made[f"{over}: {model}" if several else str(over)] = _spec(
            own, asks, (mark,), (Rule("y", 0.0),), horizontal=True, heat=heat, heat_title="r", x_title="Trained on",
            y_title="Pearson r, held out",
        )  # fmt: skip
    return made


def _lost(said, over: str) -> FigureSpec:
    """The diagonal's mean of each model beside that of the rest."""
    rows = _same_and_others(said.frame[said.frame["over"] == over], "model")
    kept = {model: share.get(over) for model, share in said.facts["kept"].items()}
    rows["kept"] = rows["model"].map(kept)
    hover = ("model", "tested_on", "r", "kept")
    mark = Mark("points", rows, "model", "r", colour="tested_on", hover=hover)
    return _spec(
        said, f"Every model: does it hold for other {over}?", (mark,), (Rule("y", 0.0),), horizontal=True, x_title="",
        y_title="Pearson r, held out, mean",
    )  # fmt: skip


def _same_and_others(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    """Mean r on the diagonal and off it, for each value of a column."""
    words = frame["same"].map({True: "the same, held out", False: "others, mean"})
    means = frame.assign(tested_on=words).groupby([by, "tested_on"], sort=False)["r"].mean()
    return means.reset_index().sort_values("tested_on", ascending=False, kind="stable")


def of_model(label: str, model: str) -> bool:
    """Whether the figure of that label, on a screen of several models, is about this one alone."""
    return label.endswith(f": {model}")


def figures(name: str, said) -> dict[str, FigureSpec]:
    """Label -> figure of one panel of :data:`analysis.answers.trust.panels.PANELS`."""
    if name == "matrix":
        return {f"Generalisation: {over}": spec for over, spec in matrices(said).items()}
    if name == "waterfall":
        return waterfalls(said)
    if name == "curve":
        models = list(said.facts["models"])
        dots = {"Its choices": choices(said, models[0])}
        if len(models) > 1:
            asks = "{}: which choices are behind each?"
            dots = {f"Its choices: {one}": choices(said, one, asks.format(one)) for one in models}
        return {"Specification curve": curve(said)} | dots
    label, draw = _DRAWN[name]
    made = {label: draw(said)}
    if name == "omega" and said.frame["person"].nunique() > 2:
        made["Omega, each person"] = omega_by_person(said)
    if name == "court" and said.frame["share"].notna().any():
        made["Shares of the ceiling"] = shares(said)
    return made


_DRAWN = {
    "leaks": ("Leak meter", leaks),
    "omega": ("Omega", omega),
    "court": ("Ceiling court", court),
    "optimism": ("Optimism", optimism),
}
