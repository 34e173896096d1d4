"""All panels in a few words: what was found, which doubts remain, and what was not looked at."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, listed, p_value, plural, signed
from analysis.answers.trust.panels import PANELS
from data.shares import percent

__all__ = ["RULES", "verdict"]

MUCH = 80.0
"""Omega in percent from which on plain controls are said to explain most of a model's predictivity."""
ADDS = 0.02
"""Selection optimism in r that is worth a doubt."""
FEWEST = 20
"""Exchanges below which no p can be below .05: the least is 1 / (exchanges + 1)."""
KEPT = 0.5
"""Share of r that must be left on other people, topics or experiments."""
RULES = {
    "leaks": "shuffled folds that leak while nothing is left held out, or a leak meter that cannot tell; a held-out interval "
    "that includes 0, or does not lie above position and length, the random embedding and the highest untrained copy",
    "omega": f"an Omega of {percent(MUCH / 100)} or more, or not defined",
    "court": "no ceiling that may be divided by",
    "optimism": f"a layer choice on the same data that adds more than {decimal(ADDS)}",
    "curve": "a defensible specification at or below 0; p of their median not below .05, or fewer exchanges than "
    f"{FEWEST} to tell it from",
    "matrix": f"less than {percent(KEPT)} left on others, or too little on the diagonal to compare",
}
"""Panel -> what it counts as a doubt, as printed under the verdict; the waterfall raises none."""


def verdict(
    found: Mapping[str, Answer],
    model: str,
    missing: Mapping[str, str] | None = None,
    *,
    waiting: Collection[str] = (),
    running: bool = False,
) -> Answer:
    """The verdict on one model's number from the panels that ran.

    Parameters
    ----------
    found : mapping of str to Answer
        Panel -> its answer.
    model : str
        As it is called in them.
    missing : mapping of str to str, optional
        Panel -> why it is empty.
    waiting : collection of str
        Panels that were asked and have no answer yet.
    running : bool
        Whether somebody is at work on these.

    Returns
    -------
    Answer
        ``frame``: panel, finding, doubt (empty where there is none). ``caption``: the rules of the panels that were asked.
        ``facts["doubts"]``: their number; ``facts["of_model"]``: the sentence without what is not answered, which is the same for
        every model.
    """
    rows = [
        {"panel": name, "finding": finding, "doubt": doubt}
        for name, how in _READ.items()
        if name in found and (told := how(found[name], model)) is not None
        for finding, doubt in (told,)
    ]
    frame = pd.DataFrame(rows, columns=["panel", "finding", "doubt"])
    doubts = [row["doubt"] for row in rows if row["doubt"]]
    quiet = [name for name in _READ if name not in found and name not in waiting]
    if not rows and not found:
        call = "Nothing was run yet: no verdict."
    elif not rows:
        call = f"{model}: no panel says anything of it."
    elif doubts:
        raised = "raises" if len(doubts) == 1 else "raise"
        call = (
            f"{model}: {len(doubts)} of {len(rows)} panels {raised} a doubt: {'; '.join(doubts)}."
        )
    else:
        call = f"{model}: none of {len(rows)} panels raises a doubt."
    if rows:
        call += f" Found: {'; '.join(frame['finding'])}."
    sentence = call
    if waiting:
        words = "Still running" if running else "Not run to the end"
        sentence += f" {words}: {listed(PANELS[name].label for name in waiting)}."
    if quiet:
        why = [
            PANELS[name].label
            + (f" ({missing[name].rstrip('.')})" if missing and name in missing else "")
            for name in quiet
        ]
        sentence += f" Not answered: {listed(why)}."
    asked = [name for name in _READ if name in found or name in waiting]
    rules = "; ".join(RULES[name] for name in asked if name in RULES)
    caption = f"A doubt is: {rules}. It is a reading aid, no test." if rules else ""
    return Answer(frame, sentence, caption, facts={"doubts": len(doubts), "of_model": call})


def _leaks(said: Answer, model: str):
    rows = said.frame[said.frame["what"] == model].set_index("folds")
    if rows.empty:
        return None
    held, call = rows.loc["held-out groups"], said.facts["verdicts"].get(model, "cannot tell")
    finding = f"r = {decimal(held['r'])} {interval(held['low'], held['high'])} held out".replace(
        "  ", " "
    )
    doubt = {
        "leak": "shuffled folds leak and nothing is left held out",
        "cannot tell": "the leak meter cannot tell",
    }.get(call, "")
    if not doubt and np.isfinite(held["low"]) and held["low"] <= 0:
        doubt = "the held-out interval includes 0"
    controls = [name for name in said.facts["above"].get(model, [])]
    plain = said.frame[
        (said.frame["group"] == "controls") & (said.frame["folds"] == "held-out groups")
    ]["what"]
    plain = [name for name in plain if " beside " not in name or name.endswith(f" beside {model}")]
    below = [name.partition(" beside ")[0] for name in plain if name not in controls]
    copies = f"{model}, untrained"
    if copies in set(said.frame["what"]) and copies not in controls:
        below.append("its untrained copies")
    if not doubt and below:
        doubt = f"it is not above {listed(below)}"
    return finding + f" (shuffled folds: {call})", doubt


def _omega(said: Answer, model: str):
    rows = said.frame[(said.frame["model"] == model) & (said.frame["person"] == "all")]
    if rows.empty:
        return None
    row = rows.iloc[0]
    if not np.isfinite(row["omega"]):
        return f"own R2 {decimal(row['alone'], 3)}", "its R2 is not above 0, Omega is not defined"
    doubt = (
        f"plain controls explain {percent(row['omega'] / 100)} of its R2"
        if row["omega"] >= MUCH
        else ""
    )
    return f"Omega {percent(row['omega'] / 100)}, unique R2 {decimal(row['unique'], 3)}", doubt


def _court(said: Answer, model: str):
    usable = said.frame[(said.frame["model"] == model) & said.frame["divides"]]
    if usable.empty:
        return "no usable ceiling", "no ceiling may be divided by"
    low, high = usable["share"].min(), usable["share"].max()
    span = listed(dict.fromkeys(map(percent, (low, high)))).replace(" and ", " to ")
    return f"{span} of the ceiling", ""


def _optimism(said: Answer, model: str):
    rows = said.frame[(said.frame["model"] == model) & (said.frame["rule"] == "same")]
    if rows.empty:
        return None
    added = float(rows["added"].iloc[0])
    doubt = f"choosing the layer on the same data would add {signed(added)}" if added > ADDS else ""
    return f"layer choice adds {signed(added)}", doubt


def _waterfall(said: Answer, model: str):
    frame = said.frame
    rows = frame[frame["model"] == model] if "model" in frame else frame
    if rows.empty:
        return None
    return (
        f"{decimal(rows['value'].iloc[0])} in 2021's way, {decimal(rows['value'].iloc[-1])} today",
        "",
    )


def _curve(said: Answer, model: str):
    one = said.facts["models"].get(model)
    if one is None:
        return None
    doubts = []
    if one["share"] < 1:
        doubts.append(
            f"{percent(1 - one['share'])} of the defensible specifications are not above 0"
        )
    if 0 < one["draws"] < FEWEST:
        doubts.append(
            f"{plural(one['draws'], 'exchange')} cannot tell the curve from chance (their least "
            f"{p_value(1 / (one['draws'] + 1))})"
        )
    elif np.isfinite(one["p_median"]) and one["p_median"] >= 0.05:
        doubts.append(f"their median is not above chance ({p_value(one['p_median'])})")
    finding = f"{percent(one['share'])} of {one['counted']} defensible specifications above 0"
    if one["draws"] >= FEWEST and np.isclose(one["p_median"], 1 / (one["draws"] + 1)):
        finding += f" ({p_value(one['p_median'])}, the least of {plural(one['draws'], 'exchange')})"
    return finding, " and ".join(doubts)


def _matrix(said: Answer, model: str):
    if model not in said.facts["kept"]:
        return None
    kept = {over: share for over, share in said.facts["kept"][model].items() if np.isfinite(share)}
    if not kept:
        return "too little is predicted on the diagonal to compare", "nothing that could generalise"
    finding = listed(
        f"{percent(share)} left on other {over}" if share <= 1 else f"nothing lost on other {over}"
        for over, share in kept.items()
    )
    lost = [over for over, share in kept.items() if share < KEPT]
    return finding, f"less than half is left on other {listed(lost)}" if lost else ""


_READ = {
    "leaks": _leaks,
    "omega": _omega,
    "court": _court,
    "optimism": _optimism,
    "waterfall": _waterfall,
    "curve": _curve,
    "matrix": _matrix,
}
