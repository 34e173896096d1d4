"""N400 trial by trial: cloze beside surprisal by laboratory, and the published range of recurrent networks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.answers.answer import Answer, decimal, interval, plural
from analysis.answers.persons import Bits, surprisals_of
from analysis.mapping.pearson import pearson
from analysis.progress import SILENT, Report
from analysis.reading.by_trial import trial_table
from analysis.reading.design import natural_spline
from analysis.reading.formula import parse
from analysis.reading.lmm import likelihood_ratio, mixed_model, settled
from data.catalog.catalog import load, paths
from data.errors import unknown

__all__ = ["effect_curves", "n400_by_laboratory", "published_curves", "published_range"]


def n400_by_laboratory(surprisals: Bits, *, report: Report = SILENT) -> Answer:
    """Cloze and each model's surprisal on the same N400 trials, by laboratory and over all of them.

    Parameters
    ----------
    surprisals : mapping of str to str or pandas.Series
        Name -> model's id, table, or bits per stimulus of ``nieuwland2018``.

    Returns
    -------
    Answer
        ``frame``: predictor, lab (``"all"``: laboratory as a factor), estimate (microvolts per standard deviation of the
        predictor, turned
        so that more predictable is positive), low, high (95 %, Wald), z, n, converged. ``facts``: chi2 of each predictor
        beside the
        other ones, item and single-trial correlations.
    """
    bits = surprisals_of(surprisals, "nieuwland2018", report)
    trials = trial_table("nieuwland2018", filter="none")
    table = trials.table
    for number, name in enumerate(bits):
        table[f"bits{number}"] = -table["stimulus"].map(bits[name])
    columns = {"cloze": "cloze", **{name: f"bits{number}" for number, name in enumerate(bits)}}
    table = table.dropna(subset=[*columns.values(), "n400"])
    rows, labs = [], sorted(table["lab"].unique(), key=str.casefold)
    for step, lab in enumerate(["all", *labs]):
        report.step(step, len(labs) + 1, "laboratories")
        used = table if lab == "all" else table[table["lab"] == lab]
        for name, column in columns.items():
            scaled = used.assign(x=(used[column] - table[column].mean()) / table[column].std())
            factor = "lab + " if lab == "all" else ""
            fit = settled(scaled, f"n400 ~ {factor}x + (1 + x | person) + (1 | item_noun)")
            slope = fit.coefficients.loc["x"]
            reach = 1.96 * slope["standard_error"]
            rows.append((name, lab, slope["estimate"], slope["estimate"] - reach, slope["estimate"] + reach, slope["z"], fit.n,
                         fit.converged))  # fmt: skip
    frame = pd.DataFrame(
        rows, columns=["predictor", "lab", "estimate", "low", "high", "z", "n", "converged"]
    )
    items = table.groupby("item_noun")[[*columns.values(), "n400"]].mean()
    facts: dict = {"item_r": {}, "trial_r": {}, "beside_cloze": {}, "cloze_beside": {}}
    joint = "n400 ~ lab + {} + (1 | person) + (1 | item_noun)"
    cloze = mixed_model(table, joint.format("cloze"))
    for name, column in columns.items():
        facts["item_r"][name] = _r(items[column], items["n400"])
        facts["trial_r"][name] = _r(table[column], table["n400"])
        if name != "cloze":
            both = mixed_model(table, joint.format(f"cloze + {column}"))
            facts["beside_cloze"][name] = likelihood_ratio(cloze, both)
            facts["cloze_beside"][name] = likelihood_ratio(
                mixed_model(table, joint.format(column)), both
            )
    every = frame[frame["lab"] == "all"].set_index("predictor")
    said = [
        f"{name} {every.loc[name, 'estimate']:.2f} {interval(every.loc[name, 'low'], every.loc[name, 'high'])}"
        for name in columns
    ]
    beyond = [
        f"{name} {'adds to' if facts['beside_cloze'][name]['p'] < 0.05 else 'does not add to'} cloze (chi2 = "
        f"{facts['beside_cloze'][name]['chi2']:.1f}) and cloze "
        f"{'adds to' if facts['cloze_beside'][name]['p'] < 0.05 else 'does not add to'} "
        f"it (chi2 = {facts['cloze_beside'][name]['chi2']:.1f})"
        for name in bits
    ]
    sentence = f"Microvolts of N400 per standard deviation of predictability: {', '.join(said)}. {'; '.join(beyond)}."
    caption = (
        f"{len(table):,} single trials of {plural(table['person'].nunique(), 'person')} and "
        f"{plural(table['item_noun'].nunique(), 'noun')}; mixed "
        "models with random intercepts and slopes of people and random intercepts of nouns; all: laboratory as a factor. "
        "Intervals: 95 %, "
        f"Wald. Item r of cloze and N400 {decimal(facts['item_r']['cloze'])}, single trials "
        f"{decimal(facts['trial_r']['cloze'], 3)}. The "
        f"baseline was subtracted by the authors: it cannot be a covariate here. {'; '.join(trials.notes)}."
    )
    return Answer(frame, sentence, caption, facts=facts,
                  axes={"x_title": "Laboratory", "y_title": "N400 (microvolts per SD, more predictable up)"})  # fmt: skip


UCL_EEG = (
    "scale(n400) ~ scale(baseline) + scale(log_freq) * scale(nr_char) * scale(word_position) + scale(surprisal) + (1 + "
    "scale(baseline)"
    " + scale(log_freq) + scale(nr_char) + scale(word_position) + scale(surprisal) || person) + (1 | item)"
)


def published_range(surprisals: Bits, *, report: Report = SILENT) -> Answer:
    """Surprisal and the N400 of UCL's sentences under one mixed model, beside the published range of recurrent networks.

    Parameters
    ----------
    surprisals : mapping
        Name -> model's id, table, or bits per stimulus of ``ucl-eeg``.

    Returns
    -------
    Answer
        ``frame``: model, chi2, b, z, bits (mean surprisal), n, singular, converged; rows ``SRN``, ``GRU``, ``LSTM`` hold the
        published last
        stage: median, with chi2_low and chi2_high the range over runs.

    Notes
    -----
    The networks' surprisals were not released, so their fits cannot be repeated; the authors' model differs in what it holds of
    the word before. The comparison is of the order of size.
    """
    bits = surprisals_of(surprisals, "ucl-eeg", report)
    rows = []
    for number, (name, own) in enumerate(bits.items()):
        report.step(number, len(bits), name)
        table = trial_table("ucl-eeg", own).table.dropna(
            subset=["surprisal", "log_freq", "baseline"]
        )
        fit = settled(table, UCL_EEG)
        base = mixed_model(table, _without_surprisal(fit.formula))
        test, slope = likelihood_ratio(base, fit), fit.coefficients.loc["scale(surprisal)"]
        rows.append({"model": name, "chi2": test["chi2"], "b": slope["estimate"], "z": slope["z"],
                     "bits": table.drop_duplicates("stimulus")["surprisal"].mean(), "n": fit.n, "singular": fit.singular,
                     "converged": fit.converged and base.converged})  # fmt: skip
    published = load("aurnhammer2019")
    published = published[
        (published["measure"] == "EEG") & (published["epoch"] == published["epoch"].max())
    ]
    for name, own in published.groupby("rnntype", sort=False):
        rows.append({
            "model": f"{name} (published)", "chi2": own["chi2"].median(), "chi2_low": own["chi2"].min(),
            "chi2_high": own["chi2"].max(), "z": own["z_surp"].median(), "b": np.nan,
            "bits": own["avsurp"].mean() / np.log(2), "n": np.nan,
        })  # fmt: skip
    frame = pd.DataFrame(rows)
    ours = frame[frame["n"].notna()]
    said = [f"{row.model} chi2(1) = {row.chi2:.1f} (z = {row.z:.2f})" for row in ours.itertuples()]
    low, high = published["chi2"].min(), published["chi2"].max()
    ends = f"the published networks, fully trained: {low:.1f} to {high:.1f}"
    sentence = f"On the N400 of UCL's sentences: {', '.join(said)}; {ends}."
    caption = (
        "Single trials; baseline as a covariate; the published surprisals were not released, and the published model is not the "
        "same: compare the order of size. The test compares models with the same random effects."
    )
    return Answer(
        frame, sentence, caption, axes={"x_title": "", "y_title": "Likelihood-ratio chi2"}
    )


def _without_surprisal(formula: str) -> str:
    return str(parse(formula).without("surprisal"))


def published_curves(measure: str = "EEG") -> pd.DataFrame:
    """The published curves of the effect over how well a network predicts, beside ours from their published fits.

    Parameters
    ----------
    measure : str
        ``"EEG"`` (N400) or ``"ET"`` (first-pass time).

    Returns
    -------
    pandas.DataFrame
        rnntype, x (negative mean surprisal, nats), published, se, ours, difference. Ours: a natural spline of the signed chi2 of
        their mixed models, its degrees of freedom (2 to 8) by generalised cross-validation; theirs: mgcv.

    Raises
    ------
    BrainLensError
        For another measure.
    """
    if measure not in ("EEG", "ET"):
        raise unknown("measure", measure, ("EEG", "ET"))
    fits = load("aurnhammer2019")
    fits = fits[fits["measure"] == measure]
    place = next(path for path in paths("aurnhammer2019") if path.name == f"gam_{measure}.csv")
    curves, found = pd.read_csv(place, sep="\t"), []
    for name, own in fits.groupby("rnntype", sort=False):
        curve = curves[curves["rnntype"] == name]
        x, y = (
            -own["avsurp"].to_numpy(float),
            (own["chi2"] * np.sign(own["z_surp"])).to_numpy(float),
        )
        at, best = curve["x"].to_numpy(float), (np.inf, None)
        for df in range(2, 9):
            basis, there = (
                np.column_stack([np.ones(len(v)), natural_spline(v, x, df)]) for v in (x, at)
            )
            weights = np.linalg.lstsq(basis, y, rcond=None)[0]
            error = ((y - basis @ weights) ** 2).mean() / (1 - basis.shape[1] / len(y)) ** 2
            if error < best[0]:
                best = (error, there @ weights)
        found.append(pd.DataFrame({"rnntype": name, "x": at, "published": curve["fit"].to_numpy(float),
                                   "se": curve["se"].to_numpy(float), "ours": best[1]}))  # fmt: skip
    frame = pd.concat(found, ignore_index=True)
    return frame.assign(difference=frame["ours"] - frame["published"])


def effect_curves(measure: str = "EEG") -> Answer:
    """How the effect of surprisal grows with a network's quality: published curves, ours from the published fits, the fits.

    Parameters
    ----------
    measure : str
        ``"EEG"`` (N400) or ``"ET"`` (first-pass time).

    Returns
    -------
    Answer
        ``frame``: of :func:`published_curves`, with low and high (published, 2 standard errors). ``facts["fits"]``: rnntype, x,
        signed chi2 of each run and stage; ``facts["agreement"]``: rnntype, r, largest difference in standard errors.
    """
    frame = published_curves(measure)
    frame = frame.assign(
        low=frame["published"] - 2 * frame["se"], high=frame["published"] + 2 * frame["se"]
    )
    fits = load("aurnhammer2019")
    fits = fits[fits["measure"] == measure]
    fits = pd.DataFrame({
        "rnntype": fits["rnntype"], "x": -fits["avsurp"].astype(float),
        "chi2": fits["chi2"].astype(float) * np.sign(fits["z_surp"].astype(float)),
    })  # fmt: skip
    rows = [
        (name, _r(own["ours"], own["published"]), (own["difference"].abs() / own["se"]).max())
        for name, own in frame.groupby("rnntype", sort=False)
    ]
    agreement = pd.DataFrame(rows, columns=["rnntype", "r", "largest_difference_se"])
    said = "; ".join(
        f"{row.rnntype} r = {decimal(row.r, 3)}, at most {row.largest_difference_se:.2f} standard errors apart"
        for row in agreement.itertuples()
    )
    what = {"EEG": "N400", "ET": "first-pass time"}[measure]
    ends = frame.groupby("rnntype", sort=False)["published"].agg(["first", "last"])
    moved = ", ".join(
        f"{name} from {row['first']:.1f} to {row['last']:.1f}" for name, row in ends.iterrows()
    )
    return Answer(
        frame,
        f"Effect on the {what} (signed chi2) as networks predict better: {moved}. Our curve of the published fits beside the "
        f"published one: {said}.",
        "Dots: published mixed models, one per network, run and stage of training (chi2 of surprisal, with the sign of z). "
        "Band: the published curve (mgcv) with two standard errors. Ours: a natural spline, degrees of freedom by generalised "
        "cross-validation.",
        facts={"fits": fits, "agreement": agreement},
        axes={"x_title": "Minus mean surprisal (nats)", "y_title": "Likelihood-ratio chi2, signed"},
    )


def _r(x: pd.Series, y: pd.Series) -> float:
    return float(pearson(x.to_numpy(float), y.to_numpy(float)))
