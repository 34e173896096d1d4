"""The numbers of scores as a long table, and the R script that reads it."""

from __future__ import annotations

import pandas as pd

from analysis.paper.methods import several
from data.errors import BrainLensError

__all__ = ["long_table", "r_script"]


R_UNGUARD = [
    'd[text] <- lapply(d[text], function(x) factor(sub("^\'(?=\'*[-=+@\\t\\r])", "", x, perl = TRUE)))',
]
"""Takes the apostrophe of :func:`data.files.guarded` away again, and makes factors of the texts."""


def long_table(scores) -> pd.DataFrame:
    """One row per model, layer, fold and target: what a mixed model wants.

    Returns
    -------
    pandas.DataFrame
        model, recording, layer, depth, chosen (in this fold), part, seed, fold, target, subject (empty where people
        are not known), r, r2, ceiling.
    """
    frames = []
    for score in several(scores):
        data = score.dataset
        frame = data[["r", "r2"]].to_dataframe()[["r", "r2"]].reset_index()
        depth = pd.Series(data.depth.values, index=data.layer.values)
        frame.insert(0, "model", score.model)
        frame.insert(1, "recording", score.recording)
        frame["depth"] = frame["layer"].map(depth)
        frame["chosen"] = frame["layer"] == frame["fold"].map(dict(enumerate(score.fold_layers)))
        seeds = dict(enumerate(data.seed.values)) if "seed" in data.coords else {}
        frame["seed"] = frame["fold"].map(seeds).fillna(score.protocol.seed).astype(int)
        for name, dim in (("part", "fold"), ("subject", "target")):
            known = name in data.coords and data[name].dims == (dim,)
            frame[name] = (
                frame[dim]
                .map(dict(zip(data[dim].values, data[name].values, strict=True)))
                .astype(str)
                if known
                else ""
            )
        per = dict(
            zip(data.target.values, score.ceiling.per_target, strict=False)
        )  # empty where there is none
        frame["ceiling"] = frame["target"].map(per).astype(float)
        simulated = "simulated data" if score.provenance["recording"]["simulated"] else ""
        if stamp := "; ".join(filter(None, [simulated, score.preview])):
            frame["stamp"] = stamp
        frames.append(frame)
    if not frames:
        raise BrainLensError("No score to make a table of", remedy="Compute a score first")
    table = pd.concat(frames, ignore_index=True)
    first = [
        "model",
        "recording",
        "layer",
        "depth",
        "chosen",
        "part",
        "seed",
        "fold",
        "target",
        "subject",
        "r",
        "r2",
        "ceiling",
    ]
    return table[[*first, *(column for column in table.columns if column not in first)]]


def r_script(scores, *, file: str = "long.csv", ours: str = "") -> str:
    """An R script that reads :func:`long_table` as CSV and fits the mixed model its shape allows.

    ``ours`` names a table with the columns model and r: the script then averages the same r itself and stops where it differs.
    """
    scores = several(scores)
    table = long_table(scores)
    people, targets, models = (
        table["subject"].nunique() > 1,
        table["target"].nunique() > 1,
        table["model"].nunique() > 1,
    )
    chance = ["(1 | subject/target)"] if people else ["(1 | target)"] if targets else []
    if chance or models:
        fit = f"lmer(z ~ {' + '.join(['model' if models else '1', *chance, '(1 | part:fold)'])}, data = d)"
    else:  # one value per fold: nothing to group
        fit = "lm(z ~ 1, data = d)"
    return "\n".join([
        "# Made by BrainLens. Each row of the table is one target in one held-out fold.",
        *([f"# Note: {table['stamp'].iloc[0]}."] if "stamp" in table else []),
        "library(lme4)",
        "",
        f'd <- read.csv("{file}", na.strings = c("", "NA"))',
        "text <- sapply(d, is.character)  # texts that look like formulas carry an apostrophe",
        *R_UNGUARD,
        'd <- subset(d, chosen == "True" & !is.na(r))  # in each fold the layer chosen for it',
        *(_same_number(scores[0].protocol, ours) if ours else []),
        "d <- subset(d, seed == min(seed))  # fold seeds are no replications: one of them",
        "d$fold <- factor(d$fold)",
        'if (all(is.na(d$part))) d$part <- factor("all")',
        "d$z <- atanh(d$r)  # Fisher's z",
        "",
        f"fit <- {fit}",
        "print(summary(fit))",
        'print(confint(fit, method = "Wald"))' if "lmer" in fit else "print(confint(fit))",
        *(["print(anova(fit, update(fit, . ~ . - model)))  # do the models differ?"] if models else []),
        "",
    ])  # fmt: skip


def _same_number(protocol, ours: str) -> list[str]:
    """R that averages as :func:`analysis.scoring.summary.summarise` does and compares."""
    targets, people = protocol.targets, protocol.people
    if protocol.order == "folds-first":
        steps = [('c("target", "subject")', targets), ('"fold"', "mean"), ('"part"', "mean")]
    else:
        steps = [('"fold"', "mean"), ('"part"', "mean"), ('"target"', targets), ('"subject"', people)]  # fmt: skip
    return [
        "",
        "# The number itself: the same r, averaged here as BrainLens does.",
        "a <- d",
        'for (name in c("part", "target", "subject")) if (all(is.na(a[[name]]))) a[[name]] <- "all"',
        'left <- c("model", "seed", "part", "fold", "target", "subject")',
        "over <- function(names, how) {",
        "  left <<- setdiff(left, names)",
        '  a <<- aggregate(a["r"], a[left], how)',
        "}",
        *[f"over({names}, {how})" for names, how in [*steps, ('"seed"', "mean")]],
        f'o <- read.csv("{ours}")[c("model", "r")]',
        'o$model <- sub("^\'(?=\'*[-=+@\\t\\r])", "", o$model, perl = TRUE)',
        'told <- merge(o, setNames(a, c("model", "r_here")))',
        "print(transform(told, difference = r_here - r))",
        "stopifnot(abs(told$r_here - told$r) < 1e-6)",
        "",
    ]
