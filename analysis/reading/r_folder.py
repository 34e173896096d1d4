"""The way to R: a folder with the trials, a script for lme4 and mgcv, and our numbers to compare with."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.reading.by_trial import TrialReading
from analysis.reading.formula import Name, parse
from data.errors import BrainLensError
from data.files import atomic, guarded, made_folder, unguarded

__all__ = ["compare_with_r", "r_files", "write_r_folder"]

_SCRIPT = """# Mixed models of single trials, to be run in this folder: Rscript models.R
# Needs lme4; with mgcv also a smooth of surprisal.
suppressPackageStartupMessages(library(lme4))
# Three optimisers climb in turns until none does: one alone may end at a variance of 0 that would still grow.
best <- function(formula, trials) {
  fit <- lmer(as.formula(formula), trials, REML = FALSE)
  repeat {
    reached <- as.numeric(logLik(fit))
    for (name in c("Nelder_Mead", "bobyqa", "nloptwrap")) {
      other <- lmer(as.formula(formula), trials, REML = FALSE, start = getME(fit, "theta"),
        control = lmerControl(optimizer = name))
      if (logLik(other) > logLik(fit)) fit <- other
    }
    if (as.numeric(logLik(fit)) - reached < 1e-4) return(fit)
  }
}
# A table with its texts as they were: an apostrophe keeps a spreadsheet from running "=1+1" as a formula.
table_of <- function(file, ...) {
  d <- read.csv(file, stringsAsFactors = FALSE, check.names = FALSE, ...)
  as_it_was <- function(x) sub("^'(?='*[-=+@\\t\\r])", "", x, perl = TRUE)
  text <- sapply(d, is.character)
  d[text] <- lapply(d[text], as_it_was)
  names(d) <- as_it_was(names(d))
  d
}
models <- table_of("models.csv")
results <- NULL
for (i in seq_len(nrow(models))) {
  trials <- table_of(models$file[i], colClasses = c(person = "character", item = "character"))
  started <- proc.time()[["elapsed"]]
  fit <- best(models$formula[i], trials)
  base <- best(models$base[i], trials)
  seconds <- proc.time()[["elapsed"]] - started
  terms <- coef(summary(fit))
  own <- terms[models$term[i], ]
  results <- rbind(results, data.frame(model = models$model[i], aic = AIC(fit), loglik = as.numeric(logLik(fit)),
    chi2 = 2 * as.numeric(logLik(fit) - logLik(base)), b = own[["Estimate"]], standard_error = own[["Std. Error"]],
    z = own[["t value"]], singular = isSingular(fit), seconds = seconds))
  print(summary(fit), correlation = FALSE)
  if (requireNamespace("mgcv", quietly = TRUE)) {
    trials$person <- factor(trials$person); trials$item <- factor(trials$item)
    k <- min(10, length(unique(trials$surprisal)))  # few different words allow few basis functions only
    shape <- sub("s(surprisal)", sprintf("s(surprisal, k = %d)", k), models$smooth[i], fixed = TRUE)
    smooth <- try(mgcv::bam(as.formula(shape), data = trials, method = "fREML", discrete = TRUE), silent = TRUE)
    if (inherits(smooth, "try-error")) message("No smooth of surprisal: ", smooth) else
      print(summary(smooth, re.test = FALSE)$s.table["s(surprisal)", , drop = FALSE])
  }
}
write.csv(results, "r_results.csv", row.names = FALSE)
"""

_README = """# From BrainLens to R

- `models.csv`: one row per model: name, file with its trials, the formula as fitted, the base without surprisal, the smooth.
- `trials_*.csv`: the rows that were fitted, one per trial.
- `ours.csv`: what BrainLens got. `models.R` writes `r_results.csv` with the same columns.

Run `Rscript models.R` here. Expected differences, where both converged: AIC and chi2 below .01, slopes below 1e-4 and standard
errors below 2e-3 of their size. The script lets three optimisers climb in turns, for one alone may stop at a boundary; a singular
fit may differ in its variances, not in its likelihood. The smooth of mgcv is another
model (penalised, fREML): it shows the shape, its numbers are not ours.
"""


def write_r_folder(readings: Sequence[TrialReading], folder: Path | str) -> Path:
    """Write the trials, an R script, and our numbers.

    Parameters
    ----------
    readings : sequence of TrialReading
    folder : path-like
        New, or empty.

    Returns
    -------
    Path

    Raises
    ------
    BrainLensError
        Where the folder holds something already.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise BrainLensError(f"The folder {folder} is not empty", remedy="Name a new one")
    files = r_files(readings)
    made_folder(folder)
    for name, content in files.items():
        with atomic(folder / name) as part:
            part.write_bytes(content)
    return folder


def r_files(readings: Sequence[TrialReading]) -> dict[str, bytes]:
    """Name -> content of the folder for R: trials, models, script and our numbers."""
    files, rows, ours = {}, [], []
    for number, one in enumerate(readings):
        formula, own = parse(one.fit.formula), one.slim()
        file = f"trials_{number}_{re.sub(r'[^A-Za-z0-9.-]+', '_', one.row['model'])}.csv"
        files[file] = _csv(own.trials.table)
        term = next(
            name
            for name in one.fit.coefficients.index
            if "surprisal" in name and "surprisal_1" not in name
        )
        rows.append({"model": one.row["model"], "file": file, "formula": one.fit.formula, "base": one.base.formula,
                     "term": term, "smooth": _smooth(formula)})  # fmt: skip
        ours.append({"model": one.row["model"], "aic": one.fit.aic, "loglik": one.fit.loglik, "chi2": one.row["chi2"],
                     "b": one.row["b"], "standard_error": one.row["standard_error"], "z": one.row["z"],
                     "singular": one.fit.singular, "converged": one.row["converged"]})  # fmt: skip
    files |= {"models.csv": _csv(pd.DataFrame(rows)), "ours.csv": _csv(pd.DataFrame(ours))}
    return files | {"models.R": _SCRIPT.encode(), "README.md": _README.encode()}


def _csv(frame: pd.DataFrame) -> bytes:
    return guarded(frame).to_csv(index=False, lineterminator="\n").encode()


def _smooth(formula) -> str:
    """The formula for mgcv: a smooth of surprisal, the other fixed effects straight, random intercepts and slopes as smooths."""
    straight = [
        ":".join(map(str, term))
        for term in formula.terms
        if term and {name for one in term for name in one.columns} != {"surprisal"}
    ]
    groups = dict.fromkeys(name for bar in formula.random for name in bar.group)
    smooths = ["s(surprisal)", *(f's({Name(name)}, bs = "re")' for name in groups)]
    return f"{formula.response} ~ {' + '.join([*straight, *smooths])}"


def compare_with_r(folder: Path | str, *, run: bool = True) -> pd.DataFrame:
    """Our numbers and R's in one table; the script is run where R is installed and has not been run.

    Returns
    -------
    pandas.DataFrame
        model, quantity, ours, r, difference.

    Raises
    ------
    BrainLensError
        Where R is not installed, or its script fails, with its last line.
    """
    folder = Path(folder)
    found = folder / "r_results.csv"
    if not found.exists():
        if not run or shutil.which("Rscript") is None:
            raise BrainLensError("R is not installed here, and the folder has no r_results.csv",
                                 remedy=f"Run 'Rscript models.R' in {folder} where R and lme4 are")  # fmt: skip
        done = subprocess.run(
            ["Rscript", "models.R"], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode or not found.exists():
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise BrainLensError(
                f"R ended with an error: {last}", remedy=f"Run 'Rscript models.R' in {folder}"
            )
    ours, theirs = (
        unguarded(pd.read_csv(path)).set_index("model") for path in (folder / "ours.csv", found)
    )
    rows = []
    for model in ours.index:
        for name in ("aic", "loglik", "chi2", "b", "standard_error", "z"):
            mine, other = float(ours.loc[model, name]), float(theirs.loc[model, name])
            rows.append((model, name, mine, other, mine - other))
    made = pd.DataFrame(rows, columns=["model", "quantity", "ours", "r", "difference"])
    return made.assign(difference=made["difference"].where(np.isfinite(made["r"])))
