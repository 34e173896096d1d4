"""Figures of people and items: N400 by laboratory, garden paths, predictability, choices, persons."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from dashboards.figures.spec import FigureSpec, Mark, Rule

__all__ = [
    "choices",
    "each_person",
    "each_person_by_region",
    "each_person_over_time",
    "effect_curves",
    "gains_of_people",
    "garden_paths",
    "kinds_of_readers",
    "laboratories",
    "likeness",
    "mixed_fits",
    "persons",
    "predictability",
    "published_range",
    "reverse",
]


def _spec(said, title: str, marks: tuple[Mark, ...], rules: tuple[Rule, ...] = ()) -> FigureSpec:
    return FigureSpec(
        title,
        marks,
        said.axes["x_title"],
        said.axes["y_title"],
        rules,
        answer=said.sentence,
        caption=said.caption,
    )


def laboratories(said) -> FigureSpec:
    """The slope of every predictor in every laboratory with its interval; of :func:`analysis.answers.n400.n400_by_laboratory`."""
    hover = ("predictor", "lab", "estimate", "low", "high", "z", "n", "converged")
    mark = Mark(
        "points", said.frame, "lab", "estimate", "low", "high", colour="predictor", hover=hover
    )
    return _spec(
        said,
        "Does predictability show in the N400 of every laboratory?",
        (mark,),
        (Rule("y", 0.0),),
    )


def published_range(said) -> FigureSpec:
    """Likelihood-ratio chi2 of each model beside published networks; of :func:`analysis.answers.n400.published_range`."""
    frame = said.frame.assign(
        low=said.frame["chi2_low"].fillna(said.frame["chi2"]),
        high=said.frame["chi2_high"].fillna(said.frame["chi2"]),
        source=["published, range of runs" if n else "fitted here" for n in said.frame["n"].isna()],
    )
    hover = ("model", "chi2", "low", "high", "b", "z", "bits", "n")
    mark = Mark("points", frame, "model", "chi2", "low", "high", colour="source", hover=hover)
    return _spec(
        said,
        "How large is the effect on the N400 beside published networks?",
        (mark,),
        (Rule("y", 3.84, "p = .05"),),
    )


def effect_curves(said) -> FigureSpec:
    """Published curves with their band, ours, and the fits under them; of :func:`analysis.answers.n400.effect_curves`."""
    every = (
        said.frame.groupby("rnntype", sort=False).cumcount() % 9 == 0
    )  # a mark at every point would be a thick band
    published = said.frame[every].assign(curve="published, 2 SE")
    ours = said.frame.assign(curve="ours")
    marks = (
        Mark("points", said.facts["fits"].assign(curve="a network, a stage"), "x", "chi2", colour="curve", muted=True,
             name="a network, a stage", hover=("rnntype", "x", "chi2")),
        Mark("line", published, "x", "published", "low", "high", colour="curve", hover=("rnntype", "x", "published", "se")),
        Mark("line", ours, "x", "ours", colour="curve", dashed=True, hover=("rnntype", "x", "ours", "difference")),
    )  # fmt: skip
    spec = _spec(
        said, "How does the effect grow as networks predict better?", marks, (Rule("y", 0.0),)
    )
    return replace(spec, facet="rnntype")


def garden_paths(said, construction: str) -> FigureSpec:
    """Items by the difference in surprisal and in time; of :func:`analysis.answers.garden_paths.garden_paths`."""
    frame = said.frame[said.frame["construction"] == construction]
    lines = said.facts["lines"]
    lines = lines[lines["construction"] == construction]
    hover = ("predictor", "item", "bits", "rt", "low", "high", "n")
    marks = (
        Mark("points", frame, "bits", "rt", "low", "high", colour="predictor", hover=hover),
        Mark("line", lines, "bits", "rt", "low", "high", colour="predictor", dashed=True,
             hover=("predictor", "bits", "rt", "low", "high")),
    )  # fmt: skip
    name = {"NPZ": "garden paths", "AGREE": "wrong agreement"}.get(construction, construction)
    return _spec(said, f"Do items with a larger difference in surprisal slow people more? {name.capitalize()}", marks,
                 (Rule("y", 0.0),))  # fmt: skip


def predictability(said) -> FigureSpec:
    """Held-out gain of each shape; of :func:`analysis.answers.predictability.predictability`."""
    frame = said.frame
    hover = ("predictor", "shape", "delta_ll", "low", "high", "delta_aic", "converged")
    mark = Mark(
        "points", frame, "predictor", "delta_ll", "low", "high", colour="shape", hover=hover
    )
    return _spec(
        said,
        "Are reading times linear in probability or in its logarithm?",
        (mark,),
        (Rule("y", 0.0),),
    )


def choices(said) -> FigureSpec:
    """Share of people's choices that each model makes too; of :func:`analysis.answers.choices.forced_choices`."""
    hover = ("predictor", "agreement", "low", "high", "p", "people_above", "n_people", "n")
    mark = Mark(
        "points",
        said.frame,
        "predictor",
        "agreement",
        "low",
        "high",
        colour="predictor",
        hover=hover,
    )
    ceiling = float(said.frame.set_index("predictor").loc["other people", "agreement"])
    return _spec(said, "Whose preferences agree with people's?", (mark,),
                 (Rule("y", 0.5, "chance"), Rule("y", ceiling, "other people")))  # fmt: skip


def persons(said) -> FigureSpec:
    """A dot for each person and the mean with its interval; of :func:`analysis.answers.persons.persons_of`."""
    means = said.facts["summary"]
    dots = said.frame.dropna(subset=["r"])
    marks = (
        Mark(
            "points",
            dots,
            "predictor",
            "r",
            colour="predictor",
            hover=("person", "predictor", "r", "n_items", "chosen"),
            name="one person",
            muted=True,
        ),
        Mark(
            "points",
            means,
            "predictor",
            "r",
            "low",
            "high",
            colour="predictor",
            hover=("predictor", "r", "low", "high"),
        ),
    )
    return _spec(said, "How well is each person predicted?", marks, (Rule("y", 0.0),))


def mixed_fits(said) -> FigureSpec:
    """Fixed effects of every model's fit, by standard deviations; of :func:`analysis.answers.mixed.mixed_fits`."""
    frame = said.frame[said.frame["per_sd"].notna()]
    hover = ("model", "term", "per_sd", "low", "high", "estimate", "standard_error", "z", "p")
    mark = Mark("points", frame, "term", "per_sd", "low", "high", colour="model", hover=hover)
    return _spec(said, "What did the mixed models estimate?", (mark,), (Rule("y", 0.0),))


def gains_of_people(
    found, y_title: str = "Delta log-likelihood of a person (nats per trial)"
) -> FigureSpec | None:
    """What surprisal adds for each person, from readings of single trials; None where no reading has people.

    Parameters
    ----------
    found : sequence of Reading
        Of :func:`analysis.reading.run.read` with ``form="mixed"``.
    """
    frames = [
        one.people.assign(model=one.model, recording=one.recording)
        for one in found
        if one.people is not None
    ]
    if not frames:
        return None
    frame = pd.concat(frames, ignore_index=True)
    means = (
        frame.groupby(["model", "recording"], sort=False)["gain"]
        .agg(["mean", "sem", "size"])
        .reset_index()
    )
    above = (
        frame.assign(above=frame["gain"] > 0)
        .groupby(["model", "recording"], sort=False)["above"]
        .sum()
    )
    said = [
        f"{model} on {recording}: surprisal helps for {above[model, recording]} of {count} people"
        for model, recording, count in zip(means["model"], means["recording"], means["size"])
    ]
    reach = 1.96 * means["sem"]
    means = means.assign(gain=means["mean"], low=means["mean"] - reach, high=means["mean"] + reach)
    marks = (
        Mark(
            "points",
            frame,
            "recording",
            "gain",
            colour="model",
            hover=("model", "recording", "person", "gain", "n"),
            name="one person",
            muted=True,
        ),
        Mark(
            "points",
            means,
            "recording",
            "gain",
            "low",
            "high",
            colour="model",
            hover=("model", "recording", "gain", "low", "high"),
        ),
    )
    spec = FigureSpec(
        "Does it hold for people one by one?", marks, "", y_title, (Rule("y", 0.0, "no effect"),)
    )
    return replace(
        spec, answer=f"{'; '.join(said)}.",
        caption="Each dot is a person: mean over his or her held-out trials of what surprisal adds to a mixed model. Mean over "
        "people with 1.96 standard errors over people.",
    )  # fmt: skip


def likeness(said) -> FigureSpec:
    """A dot for each person, model beside person, both directions; of :func:`analysis.answers.likeness.likeness`."""
    dots, means = (
        table.assign(
            what=table["who"].where(
                table["direction"] == "predicts a person", "from people: " + table["who"]
            )
        )
        for table in (said.frame, said.facts["summary"])
    )
    means = means.assign(low=means["low"].fillna(means["r"]), high=means["high"].fillna(means["r"]))
    marks = (
        Mark(
            "points",
            dots,
            "what",
            "r",
            colour="direction",
            hover=("who", "person", "direction", "r"),
            name="one person",
            muted=True,
        ),
        Mark(
            "points",
            means,
            "what",
            "r",
            "low",
            "high",
            colour="direction",
            hover=("who", "direction", "r", "low", "high", "n"),
        ),
    )
    return _spec(said, "Who is the model like?", marks, (Rule("y", 0.0),))


def kinds_of_readers(said) -> FigureSpec | None:
    """People by how well models predict them and in what their profiles over models differ, coloured by group; None without."""
    groups = said.facts["groups"]
    if groups is None:
        return None
    frame = groups.axes.assign(
        group=[f"group {k + 1}" for k in groups.labels], person=groups.axes.index.astype(str)
    )
    mark = Mark(
        "points",
        frame,
        "mean",
        "first",
        colour="group",
        hover=("person", "group", "mean", "first", "second"),
    )
    return FigureSpec(
        "Are there kinds of readers?",
        (mark,),
        "Mean r of the person with the models",
        "Profile over models, first direction",
        (Rule("y", 0.0),),
        answer=said.sentence.rpartition(". ")[2] or said.sentence,
        caption="Each dot is a person. Profile: the person's r with each model less the person's mean, in the direction "
        "in which people differ most. Groups: Ward's linkage, their number by the gap statistic, checked in two "
        "halves of the items.",
    )


def each_person(said) -> FigureSpec:
    """A dot for each person under each model; of :func:`analysis.answers.each_person.each_person`."""
    hover = ("person", "predictor", "r", "n_targets")
    marks = (
        Mark("points", said.frame, "predictor", "r", colour="predictor", hover=hover, name="one person", muted=True),
        Mark("points", said.facts["summary"], "predictor", "r", "low", "high", colour="predictor",
             hover=("predictor", "r", "low", "high", "n", "above_people")),
    )  # fmt: skip
    return _spec(said, "Does it hold for every person?", marks, (Rule("y", 0.0),))


def each_person_by_region(said) -> FigureSpec:
    """A dot for each person in each region, models and people; of :func:`analysis.answers.each_person.each_person_by_region`."""
    dots = pd.concat([said.frame, said.facts["others"]], ignore_index=True)
    means = pd.concat([said.facts["summary"], said.facts["others_summary"]], ignore_index=True)
    marks = (
        Mark("points", dots, "region", "r", colour="model", hover=("model", "region", "person", "r", "n_targets"),
             name="one person", muted=True),
        Mark("points", means, "region", "r", "low", "high", colour="model",
             hover=("model", "region", "r", "low", "high", "above", "n")),
    )  # fmt: skip
    return _spec(said, "Does it hold for every person, in every region?", marks, (Rule("y", 0.0),))


def each_person_over_time(said) -> FigureSpec:
    """A dot for each person at each lag and the mean; of :func:`analysis.answers.each_person.each_person_over_time`."""
    hover = ("model", "person", "lag", "r")
    marks = (
        Mark("points", said.frame, "lag", "r", colour="model", hover=hover, name="one person", muted=True),
        Mark("line", said.facts["mean"], "lag", "r", "low", "high", colour="model",
             hover=("model", "lag", "r", "low", "high")),
    )  # fmt: skip
    several = said.frame["model"].nunique() > 1
    rules = [Rule("y", 0.0)]
    if (bound := said.facts["others_mean"]) is not None:
        rules.append(Rule("y", bound[0], f"other people {bound[0]:.2f}", *bound[1:]))
    spec = _spec(said, "Does the course hold for every person?", marks, tuple(rules))
    return replace(spec, facet="model" if several else None)


def reverse(said) -> FigureSpec:
    """Both directions by layer, and between people as a line; of :func:`analysis.answers.reverse.reverse`."""
    table = said.facts["summary"]
    between, own = (
        table[(table["direction"] == "person to person") == here] for here in (True, False)
    )
    own = own.assign(what=own["direction"] + ", " + own["model"])
    mark = Mark(
        "line",
        own,
        "layer",
        "r",
        "low",
        "high",
        colour="what",
        hover=("model", "direction", "layer", "r", "low", "high", "n"),
    )
    rules = [Rule("y", 0.0)]
    if len(between):
        one = between.iloc[0]
        rules.append(
            Rule("y", one["r"], f"person to person {one['r']:.2f}", one["low"], one["high"])
        )
    return _spec(said, "Do people predict the model as it predicts them?", (mark,), tuple(rules))
