"""What the panels of Trust find of planted truths: verdicts, shares, the optimism of a maximum, the curve's p, what generalises.

python -m benchmarks.trust [--minutes N] [--data-sets N] [--only WORD] [--work FOLDER] [--out FILE] [--docs]

Cells run in chunks of fixed seeds, one after the other; what is done is kept in the work folder, so that a run that was stopped
(or whose minutes are over) goes on. The summary, with Monte Carlo errors, goes to benchmarks/results/trust.json, and with --docs
as a table into docs/method.md. Planted are the same cases as in the tests (tests/analysis/trust_cases.py).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.coverage import collected
from data.shares import percent
from tests.analysis.trust_cases import FAST, activations, joint_fit, recording, smooth

CHUNK = 10
DATA_SETS = 400
ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
MARKS = ("<!-- trust: begin -->", "<!-- trust: end -->")


@dataclass(frozen=True)
class Planted:
    """One planted truth and what a panel should say of it.

    Parameters
    ----------
    name : str
    simulate : callable
        (rng, **sizes) -> dict of measure -> one number, or (value, low, high).
    sizes : dict
    said : dict
        Measure -> (rule, number): ``"covers"`` (an interval, this often, the mean over the data sets), ``"near"`` (the mean, this
        planted value), ``"at most"`` and ``"at least"`` (a rate), ``"rate"`` (a rate, exactly).
    """

    name: str
    simulate: Callable
    sizes: dict
    said: dict = field(default_factory=dict)

    def outcomes(self, start: int, stop: int) -> Iterator[dict]:
        """Of data sets ``start`` to ``stop``, each with a seed of its own."""
        for number in range(start, stop):
            yield self.simulate(
                np.random.default_rng([zlib.crc32(self.name.encode()), number]), **self.sizes
            )


# ---- the panels ----------------------------------------------------------------------------------------------------------
def leaks(rng, *, signal: float, rho: float, groups=12, length=8, targets=3, width=6) -> dict:
    """Verdicts on features that know the time (``rho``: how slowly they and the noise change) and share ``signal`` with it."""
    from analysis import score
    from analysis.answers.trust.leaks import leak_meter
    from analysis.scoring.beside import oasm_of
    from analysis.store.store import Store

    x = smooth(rng, groups, length, width, rho)
    y = np.sqrt(signal) * x @ rng.standard_normal((width, targets)) / np.sqrt(width)
    y = y + np.sqrt(1 - signal) * smooth(rng, groups, length, targets, rho)
    measured = recording(y, groups=groups)
    if not signal and rho:  # features that know the time and nothing else
        x = smooth(rng, groups, length, 5 * width, rho)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder, readers=[])
        found = score(activations([x]), measured, FAST, store=store)
        oasm = oasm_of(measured, FAST, store=store)
    verdict = leak_meter([found], oasm).facts["verdicts"]["planted"]
    said = {name: float(verdict == name) for name in ("leak", "partly a leak", "no leak", "cannot tell")}  # fmt: skip
    return said | {
        "leak or partly": said["leak"] + said["partly a leak"],
        "OASM held out, absolute r": abs(float(oasm.grouped)),
        "OASM shuffled, r": float(oasm.shuffled),
    }


def shares(rng, *, share: float, people: int, spread: float) -> dict:
    """Omega where controls explain this share of what the model predicts, people alike or apart."""
    from analysis.answers.trust.shares import explained_by_controls

    names = [f"p{i}" for i in range(max(people, 1))]
    each = np.clip(rng.normal(share, spread, len(names)), 0.02, 0.98)
    fit, subjects = joint_fit(rng, each, names, n=144, targets=2 if people else 4)
    found = explained_by_controls({"m": [fit]}, ("c",), subjects if people else None, draws=300)
    row = found.frame.iloc[0]
    return {"Omega": (row["omega"], row["omega_low"], row["omega_high"]), "mean": row["omega"]}


def maximum(rng, *, layers: int) -> dict:
    """The best layer of noise, on the same data, in each fold, and committed to."""
    from analysis import score
    from analysis.answers.trust.optimism import optimism
    from analysis.store.store import Store

    measured = recording(rng.standard_normal((96, 3)))
    noise = activations([rng.standard_normal((96, 6)) for _ in range(layers)])
    protocol = FAST.but(shuffled_twin=False, controls=(), bootstrap=20)
    with tempfile.TemporaryDirectory() as folder:
        found = score(noise, measured, protocol, store=Store(folder, readers=[]))
    r = optimism([found]).frame.set_index("rule")["r"]
    return {
        "nested": float(r["nested"]),
        "committed": float(r["committed"]),
        "same data": float(r["same"]),
        "same data above nested": float(r["same"] > r["nested"]),
    }


def permuted(rng, *, rows=48, draws=19) -> dict:
    """The specification curve of four cells on responses without a signal: its p, and its share above 0 beside the null's."""
    from analysis.answers.trust.specifications import curve, specifications
    from analysis.scoring.significance import exchanges, summary_of_moved
    from tests.analysis.trust_cases import cells_frame

    cells = specifications(FAST, {"split": ("grouped", "contiguous"), "mapping": ("ridge", "ols")})
    x = rng.standard_normal((rows, 4))
    measured = recording(rng.standard_normal((rows, 2)))
    seed = int(rng.integers(2**31))
    moved = exchanges(measured, FAST.but(seed=seed), draws)
    order = np.vstack([np.arange(rows)[None], moved.rows])
    r = np.stack([summary_of_moved([x], measured, c.protocol, order) for c in cells], 1)
    facts = curve(cells_frame(r[0]), r[1:], rule=moved.rule).facts["models"]["m"]
    return {
        "p <= .05": float(facts["p_median"] <= 0.05),
        "p <= .2": float(facts["p_median"] <= 0.2),
        "share above 0 minus the null's": facts["share"] - facts["null_share"],
    }


def generalised(rng, *, own: float, people=3, targets=4) -> dict:
    """What a mapping keeps from one person to another, where this share of the predictable variance is a person's own."""
    from analysis.answers.trust.generalise import across_people, matrix, pairs_of_targets
    from analysis.progress import SILENT
    from analysis.scoring.folds import runs
    from analysis.scoring.predictions import held_out

    x = rng.standard_normal((144, 10))
    unit = lambda y: y / y.std(axis=0)  # noqa: E731
    shared = unit(x @ rng.standard_normal((10, targets)))
    signal = [
        np.sqrt(1 - own) * shared + np.sqrt(own) * unit(x @ rng.standard_normal((10, targets)))
        for _ in range(people)
    ]
    y = np.hstack(signal) + 0.7 * rng.standard_normal((144, people * targets))
    measured = recording(y, people=np.repeat([f"p{i}" for i in range(people)], targets))
    parts = runs(measured, FAST)[0].parts
    held = list(held_out(activations([x]), [0] * FAST.folds, measured, FAST, parts, SILENT))
    said = matrix({"people": across_people(held, pairs_of_targets(measured))}, what="planted")
    return {"kept": float(said.facts["kept"]["people"])}


# ---- the grid ------------------------------------------------------------------------------------------------------------
def grid() -> list[Planted]:
    """Every planted truth."""
    cells = [
        Planted("leak meter, noise", leaks, dict(signal=0.0, rho=0.0), {"leak or partly": ("at most", 0.05)}),
        Planted("leak meter, autocorrelation without language", leaks, dict(signal=0.0, rho=0.97, length=12),
                {"leak": ("at least", 0.9), "no leak": ("at most", 0.025), "OASM held out, absolute r": ("near", 0.0)}),
        Planted("leak meter, language without autocorrelation", leaks, dict(signal=0.6, rho=0.0),
                {"leak or partly": ("at most", 0.05)}),
        Planted("leak meter, language with autocorrelation", leaks, dict(signal=0.4, rho=0.97, length=12),
                {"no leak": ("at most", 0.1)}),
    ]  # fmt: skip
    crowds = ((0, 0.0), (4, 0.2), (4, 0.0), (8, 0.2), (8, 0.0))
    for share, kinds in (
        (0.2, crowds[:2]),
        (0.5, (*crowds, (2, 0.2), (3, 0.2))),
        (0.8, crowds[:2]),
    ):
        for people, spread in kinds:
            who = (
                "one average" if not people else f"{people} people {'apart' if spread else 'alike'}"
            )
            cells.append(
                Planted(f"Omega {share:.0%}, {who}", shares, dict(share=share, people=people, spread=spread),
                        {"Omega": ("covers", 0.95), "mean": ("near", 100 * share)})
            )  # fmt: skip
    cells += [
        Planted("optimism, 14 layers of noise", maximum, dict(layers=14),
                {"nested": ("near", 0.0), "committed": ("near", 0.0), "same data above nested": ("at least", 0.9)}),
        Planted("specification curve, no signal", permuted, {},
                {"p <= .05": ("rate", 0.05), "p <= .2": ("rate", 0.2), "share above 0 minus the null's": ("near", 0.0)}),
        Planted("generalisation, all shared", generalised, dict(own=0.0), {"kept": ("near", 1.0)}),
        Planted("generalisation, half a person's own", generalised, dict(own=0.5), {"kept": ("near", 0.5)}),
    ]  # fmt: skip
    return cells


# ---- running ---------------------------------------------------------------------------------------------------------------
def run_chunk(cell: Planted, start: int, stop: int) -> dict:
    """Data sets ``start`` to ``stop``: measure -> list of outcomes."""
    from threadpoolctl import threadpool_limits

    found: dict[str, list] = {}
    began = time.process_time()
    with threadpool_limits(1):
        for outcomes in cell.outcomes(start, stop):
            for measure, outcome in outcomes.items():
                plain = [float(one) for one in np.atleast_1d(outcome)]
                found.setdefault(measure, []).append(plain if len(plain) > 1 else plain[0])
    return {"outcomes": found, "seconds": time.process_time() - began}


def summary(cell: Planted, outcomes: dict[str, list]) -> list[dict]:
    """What each measure came to, its Monte Carlo error, and whether that is what is said of it.

    Notes
    -----
    A rate is judged by the 99 % binomial band of what is said (one-sided for a bound), a mean by whether it lies within .03 (or 3
    points of Omega) of what was planted, give or take 2.6 of its standard errors.
    """
    from scipy.stats import binom

    rows = []
    for measure, (rule, number) in cell.said.items():
        values = np.asarray(outcomes.get(measure, []), float)
        if not len(values):
            continue
        row: dict = {"cell": cell.name, "measure": measure, "rule": rule, "said": number}
        if rule == "near":
            mean, error = values.mean(), values.std() / np.sqrt(len(values))
            row |= {"found": float(mean), "error": float(error), "n": len(values), "sd": float(values.std())}  # fmt: skip
            slack = 3.0 if cell.name.startswith("Omega") else 0.03
            row["right"] = bool(abs(mean - number) <= slack + 2.6 * error)
            rows.append(row)
            continue
        if rule == "covers":
            kept = np.isfinite(values).all(axis=1)
            value, low, high = values[kept].T
            row |= {"undefined": int((~kept).sum()), "width": float((high - low).mean())}
            values = (low <= value.mean()) & (value.mean() <= high)
        n, rate = len(values), float(np.mean(values))
        least, most = binom.ppf([0.005, 0.995], n, number) / n
        if rule in ("at most", "at least"):  # one-sided
            least, most = binom.ppf([0.01, 0.99], n, number) / n
        row |= {"found": rate, "error": float(np.sqrt(rate * (1 - rate) / n)), "n": n}
        row["right"] = bool((rule == "at most" or rate >= least) and (rule == "at least" or rate <= most))  # fmt: skip
        rows.append(row)
    return rows


def documented(rows: list[dict]) -> str:
    """The rows as a table in Markdown."""
    lines = ["| planted | measure | said | found | data sets | |", "|---|---|---|---|---|---|"]
    for row in rows:
        shown = "{:.1f}" if row["cell"].startswith("Omega") else "{:.3f}"
        if row["rule"] == "near":
            said, found = (shown.format(row["said"]), f"{shown.format(row['found'])} ± {shown.format(row['error'])}")  # fmt: skip
        else:
            word = {"covers": "", "rate": ""}.get(row["rule"], f"{row['rule']} ")
            said, found = (
                f"{word}{percent(row['said'], 1)}",
                f"{percent(row['found'], 1)} ± {percent(row['error'], 1)}",
            )
        notes = [] if row["right"] else ["outside"]
        notes += [f"{row['undefined']} not defined"] if row.get("undefined") else []
        notes += ["too few to judge yet"] if row["n"] + row.get("undefined", 0) < 200 else []
        what = "covers" if row["rule"] == "covers" else ""
        lines.append(f"| {row['cell']} | {' '.join(filter(None, [row['measure'], what]))} | {said} | {found} | {row['n']} | "
                     f"{'; '.join(notes)} |")  # fmt: skip
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0, help="stop after so many")
    parser.add_argument("--data-sets", type=int, default=DATA_SETS)
    parser.add_argument("--only", default="", help="cells whose name holds this word")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "trust")
    parser.add_argument("--out", type=Path, default=RESULTS / "trust.json")
    parser.add_argument("--docs", action="store_true", help="write the table into docs/method.md")
    options = parser.parse_args(arguments)
    options.work.mkdir(parents=True, exist_ok=True)
    until, rows, seconds = time.monotonic() + 60 * options.minutes, [], 0.0
    cells = [cell for cell in grid() if options.only in cell.name]
    kept = {cell.name: _path(options.work, cell) for cell in cells}
    done = {name: json.loads(p.read_text()) if p.exists() else {} for name, p in kept.items()}
    for start in range(0, options.data_sets, CHUNK):  # all cells grow alike
        for cell in cells:
            stop = min(start + CHUNK, options.data_sets)
            if f"{start}-{stop}" in done[cell.name] or time.monotonic() > until:
                continue
            done[cell.name][f"{start}-{stop}"] = run_chunk(cell, start, stop)
            part = kept[cell.name].with_suffix(".part")
            part.write_text(json.dumps(done[cell.name]))
            part.replace(kept[cell.name])
    for cell in cells:
        rows += summary(cell, collected(done[cell.name]))
        seconds += sum(chunk["seconds"] for chunk in done[cell.name].values())
    print(documented(rows))
    if not options.only:
        told = {"data_sets": options.data_sets, "cpu_seconds": round(seconds), "rows": rows}
        options.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    if options.docs:
        write_docs(documented(rows))
    print(f"{seconds:.0f} CPU seconds in all", file=sys.stderr)
    return 0


def _path(work: Path, cell: Planted) -> Path:
    return work / f"{zlib.crc32(repr((cell.name, cell.sizes)).encode()):08x}.json"


def write_docs(table: str) -> None:
    """Put the table between its marks in docs/method.md."""
    path = ROOT / "docs" / "method.md"
    head, _, rest = path.read_text(encoding="utf-8").partition(MARKS[0])
    _, _, tail = rest.partition(MARKS[1])
    path.write_text(f"{head}{MARKS[0]}\n\n{table}\n\n{MARKS[1]}{tail}", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
