"""Mixed models: against lme4 on the same machine, and over simulated crossed data sets; JSON and tables.

python -m benchmarks.people [--timing] [--simulations] [--data-sets 400]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.common import machine, table, write

# ---- simulated crossed data --------------------------------------------------------------------------------------------------
DESIGNS = {
    "items differ in x, slopes of people": dict(people=20, items=24, within=False, missing=0.0),
    "x differs inside items, slopes of people and items": dict(
        people=24, items=20, within=True, missing=0.0
    ),
    "a third of the trials missing": dict(people=30, items=30, within=False, missing=1 / 3),
}
TRUTH = {"x": 0.3, "person": 0.6, "slope": 0.25, "item": 0.3, "residual": 1.0}


def simulated(seed: int, *, people: int, items: int, within: bool, missing: float) -> pd.DataFrame:
    """People crossed with items: a slope of .3, random intercepts and slopes of people, intercepts (and slopes) of items."""
    rng = np.random.default_rng([2026, seed])
    p, i = np.divmod(np.arange(people * items), items)
    x = rng.normal(size=len(p)) if within else rng.normal(size=items)[i]
    own = rng.normal(size=(people, 2)) @ np.array([[0.6, 0.1], [0.0, np.sqrt(0.25**2 - 0.1**2)]])
    y = (
        TRUTH["x"] * x
        + own[p, 0]
        + own[p, 1] * x
        + (rng.normal(size=items) * TRUTH["item"])[i]
        + rng.normal(size=len(p))
    )
    if within:
        y = y + (rng.normal(size=items) * 0.2)[i] * x
    made = pd.DataFrame({"y": y, "x": x, "person": p, "item": i})
    return made[rng.random(len(made)) >= missing].reset_index(drop=True)


def recovered(design: str, seeds) -> pd.DataFrame:
    """One row per data set: the slope, its interval, and the variances."""
    from analysis.reading.lmm import mixed_model
    from analysis.reading.satterthwaite import coefficient_intervals

    choice, rows = DESIGNS[design], []
    formula = f"y ~ x + (x | person) + ({'x' if choice['within'] else '1'} | item)"
    for seed in seeds:
        data = simulated(seed, **choice)
        fit = mixed_model(data, formula, reml=True)
        slope = coefficient_intervals(data, fit).loc["x"]
        sd = fit.variances.set_index(["group", "term", "other"])["sd"]
        rows.append({
            "slope": slope["estimate"], "standard_error": slope["standard_error"], "df": slope["df"],
            "covered": bool(slope["low"] < TRUTH["x"] < slope["high"]),
            "wald": bool(abs(slope["estimate"] - TRUTH["x"]) < 1.96 * slope["standard_error"]),
            "person": sd["person", "(Intercept)", ""], "person_slope": sd["person", "x", ""],
            "item": sd["item", "(Intercept)", ""], "residual": np.sqrt(fit.residual), "converged": fit.converged,
            "singular": fit.singular,
        })  # fmt: skip
    return pd.DataFrame(rows)


def told(design: str, found: pd.DataFrame) -> dict:
    """Bias and coverage of one design, with the 99 % binomial band of 95 %."""
    from scipy.stats import binom

    n = len(found)
    low, high = binom.ppf([0.005, 0.995], n, 0.95) / n
    off = found["slope"].mean() - TRUTH["x"]
    return {
        "design": design, "data_sets": n, "bias": round(off, 5), "bias_error": round(found["slope"].sem(), 5),
        "coverage": round(found["covered"].mean(), 4), "band": [round(low, 4), round(high, 4)],
        "coverage_wald": round(found["wald"].mean(), 4), "sd_of_slopes": round(found["slope"].std(), 5),
        "mean_standard_error": round(found["standard_error"].mean(), 5), "mean_df": round(found["df"].mean(), 1),
        "sd_person": round(found["person"].mean(), 4), "sd_person_slope": round(found["person_slope"].mean(), 4),
        "sd_item": round(found["item"].mean(), 4), "sd_residual": round(found["residual"].mean(), 4),
        "not_converged": int((~found["converged"]).sum()), "singular": int(found["singular"].sum()),
    }  # fmt: skip


# ---- against lme4 -------------------------------------------------------------------------------------------------------------
BROTHERS = "scale(SUM_3RT_trimmed) ~ scale(Surprisal) + (scale(Surprisal) | SUB) + (scale(Surprisal) | ITEM)"
UCL = (
    "scale(N400) ~ scale(baseline) + scale(log_freq) * scale(nr_char) * scale(word_pos) + (1 + scale(baseline) + scale(log_freq)"
    " + scale(nr_char) + scale(word_pos) || subj_nr) + (1 | item)"
)
_R = """suppressMessages(library(lme4))
trials <- read.csv("trials.csv", stringsAsFactors = FALSE)
started <- proc.time()
fit <- suppressWarnings(lmer(%s, trials, REML = FALSE, control = lmerControl(optimizer = "bobyqa")))
took <- proc.time() - started
cat(sprintf("%%.7f %%.3f %%.3f\\n", AIC(fit), took[["user.self"]] + took[["sys.self"]], took[["elapsed"]]))
"""


def problems() -> dict[str, tuple[pd.DataFrame, str]]:
    """The published fits: table and formula."""
    mirror = Path(os.environ["BRAINLENS_MIRROR"])
    times = pd.read_csv(mirror / "brothers2021" / "brothers_2021.tsv", sep="\t", quoting=3)
    found = {}
    for name in ("EleutherAI__pythia-160m", "state-spaces__mamba-130m-hf"):
        bits = pd.read_csv(mirror / "brothers2021" / "surprisal" / f"{name}.tsv", sep="\t")
        joined = times.merge(bits[["FullSentence", "Surprisal"]], on="FullSentence")
        found[f"Brothers, {name.partition('__')[2]}"] = (joined, BROTHERS)
    eeg = pd.read_csv(mirror / "ucl_people" / "data_EEG.csv", sep="\t", quoting=3)
    found["UCL EEG"] = (
        eeg[~eeg["reject_data"] & ~eeg["reject_word"] & eeg["log_freq"].notna()],
        UCL,
    )
    return found


def timed(name: str, data: pd.DataFrame, formula: str) -> dict:
    """One fit here and in lme4, one after the other: AIC, processor and wall seconds."""
    from analysis.reading.lmm import mixed_model

    wall, cpu = time.perf_counter(), time.process_time()
    fit = mixed_model(data, formula)
    row = {"fit": name, "rows": fit.n, "aic": round(fit.aic, 5), "cpu": round(time.process_time() - cpu, 2),
           "wall": round(time.perf_counter() - wall, 2)}  # fmt: skip
    if shutil.which("Rscript") is None:
        return row
    with tempfile.TemporaryDirectory() as folder:
        data.to_csv(Path(folder) / "trials.csv", index=False)
        (Path(folder) / "fit.R").write_text(_R % formula)
        done = subprocess.run(["Rscript", "fit.R"], cwd=folder, capture_output=True, text=True, check=True,
                              env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"})  # fmt: skip
    aic, theirs_cpu, theirs_wall = map(float, done.stdout.split()[-3:])
    return row | {
        "lme4_aic": aic,
        "lme4_cpu": theirs_cpu,
        "lme4_wall": theirs_wall,
        "times_faster": round(theirs_cpu / row["cpu"], 1),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--timing",
        action="store_true",
        help="only against lme4 (needs BRAINLENS_MIRROR, Rscript with lme4)",
    )
    parser.add_argument("--simulations", action="store_true", help="only simulated data sets")
    parser.add_argument("--data-sets", type=int, default=400)
    options = parser.parse_args()
    both = not (options.timing or options.simulations)
    if both or options.simulations:
        rows = [told(name, recovered(name, range(options.data_sets))) for name in DESIGNS]
        print(table(rows))
        write("people_simulations", {"machine": machine(), "truth": TRUTH, "rows": rows})
    if both or options.timing:
        rows = [timed(name, *made) for name, made in problems().items()]
        print(table(rows))
        write("people_timing", {"machine": machine(), "rows": rows})
        return int(
            any(
                row.get("times_faster", 2) <= 1
                or abs(row["aic"] - row.get("lme4_aic", row["aic"])) > 0.01
                for row in rows
            )
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
