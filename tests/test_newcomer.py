"""A newcomer's story: NIfTI runs, events and a mask become a brain figure in five commands; wrong files are answered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from dashboards.command.cli import main

VOCABULARY = [
    "the",
    "fox",
    "ran",
    "home",
    "over",
    "green",
    "hills",
    "and",
    "saw",
    "a",
    "river",
    "slowly",
    "birds",
    "sang",
]
STEP, SAMPLES = 2.0, 70


def study(folder: Path, *, people=("01", "02"), runs=(1, 2, 3)) -> Path:
    """Voxels around the left temporal lobe that follow the number of letters heard, in fMRIPrep's names."""
    import nibabel

    from data.readers.simulated import hrf

    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = (-62, -44, 0)
    shape, rng = (3, 4, 3), np.random.default_rng(0)
    for run in runs:
        onset = np.cumsum(rng.uniform(0.2, 0.9, 400))
        onset = onset[onset < SAMPLES * STEP - 3]
        words = rng.choice(VOCABULARY, len(onset))
        events = pd.DataFrame({"onset": onset, "duration": 0.2, "word": words})
        letters = np.zeros(SAMPLES)
        np.add.at(letters, (onset // STEP).astype(int), [len(word) for word in words])
        driven = np.convolve(letters - letters.mean(), hrf(STEP))[:SAMPLES]
        for person in people:
            func = folder / f"sub-{person}" / "func"
            func.mkdir(parents=True, exist_ok=True)
            stem = f"sub-{person}_task-fox_run-{run}"
            values = 100 + driven / driven.std() + 0.7 * rng.standard_normal((*shape, SAMPLES))
            image = nibabel.Nifti1Image(values.astype(np.float32), affine)
            image.header.set_zooms((4, 4, 4, STEP))
            image.header.set_xyzt_units("mm", "sec")
            nibabel.save(image, func / f"{stem}_space-MNI_desc-preproc_bold.nii.gz")
            mask = nibabel.Nifti1Image(np.ones(shape, np.uint8), affine)
            nibabel.save(mask, func / f"{stem}_space-MNI_desc-brain_mask.nii.gz")
            events.to_csv(func / f"{stem}_events.tsv", sep="\t", index=False)
    return folder


def run(*arguments: str, fails: bool = False) -> str:
    done = CliRunner().invoke(main, [str(one) for one in arguments])
    assert (done.exit_code != 0) == fails, done.output
    return done.output + ("" if done.exception is None else str(done.exception))


QUICK = [
    part
    for one in ("seeds=1", "bootstrap=20", "alphas=1,100,10000", "inner_folds=2", "shuffled_twin=false", "unique=false",
                "controls=word-rate", "ceiling=none")
    for part in ("--set", one)
]  # fmt: skip


@pytest.mark.slow
def test_from_runs_to_a_brain_in_five_commands(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINLENS_HOME", str(tmp_path / "home"))
    folder = study(tmp_path / "fox")
    told = run("data", "check", folder)
    assert "3 runs, 210 samples of 2 s" in told and "72 targets of 2 people" in told
    told = run("data", "check", folder, "--surprisal", "zoo-causal-200k")
    assert "Surprisal of zoo-causal-200k follows it best at" in told
    told = run("data", "check", folder, "--surprisal", "random-8", fails=True)
    assert "random-8 gives no surprisal" in told
    said = run("score", "random-8", "--on", folder, "--protocol", "story", *QUICK)
    assert "random-8" in said
    figure = tmp_path / "brain.pdf"
    said = run(
        "regions", "random-8", "--on", folder, "--surface", "all", "--figure", figure, *QUICK
    )
    assert figure.read_bytes()[:4] == b"%PDF" and "all targets together" in said
    table = tmp_path / "time.csv"
    run("time", "random-8", "--on", folder, "--out", table, *QUICK)
    curve = pd.read_csv(table).query("model == 'random-8'").set_index("lag")["r"]
    assert 2 <= curve.idxmax() <= 8 and curve.max() > 0.3


def rewritten(path: Path, change) -> None:
    frame = pd.read_csv(path, sep="\t")
    change(frame).to_csv(path, sep="\t", index=False)


def other_mask(path: Path) -> None:
    import nibabel

    nibabel.save(nibabel.Nifti1Image(np.ones((6, 8, 6), np.uint8), np.diag([2.0, 2, 2, 1])), path)


def without_tr(path: Path) -> None:
    import nibabel

    image = nibabel.load(path)
    made = nibabel.Nifti1Image(np.asarray(image.dataobj), image.affine)
    made.header.set_zooms((4, 4, 4, 0))
    nibabel.save(made, path)


def shorter(path: Path) -> None:
    import nibabel

    image = nibabel.load(path)
    nibabel.save(
        nibabel.Nifti1Image(np.asarray(image.dataobj)[..., :50], image.affine, image.header), path
    )


@pytest.mark.parametrize(
    ("end", "change", "says"),
    [
        (
            "events.tsv",
            lambda p: rewritten(p, lambda t: t.assign(onset=t.onset * 1000, duration=200)),
            "milliseconds",
        ),
        ("brain_mask.nii.gz", other_mask, "another space"),
        ("bold.nii.gz", without_tr, "repetition time"),
        ("bold.nii.gz", shorter, "other lengths for other people (samples): sub-01 50, sub-02 70"),
        (
            "events.tsv",
            lambda p: rewritten(p, lambda t: t.drop(columns="duration")),
            "offsets or durations",
        ),
        (
            "events.tsv",
            lambda p: rewritten(p, lambda t: t.drop(columns="duration")),
            "one lacks duration",
        ),
        ("events.tsv", lambda p: p.unlink(), "no words for"),
    ],
    ids=["milliseconds", "mask", "no TR", "lengths", "no durations", "one without", "no events"],
)
def test_each_wrong_file_is_answered_in_words(tmp_path, end, change, says):
    folder = study(tmp_path / "fox", runs=(1,))
    wrong = sorted(folder.rglob(f"*{end}"))
    every = ("repetition time", "no words for", "milliseconds", "offsets or durations")
    for path in wrong if says in every else wrong[:1]:
        change(path)
    assert says in run("data", "check", folder, fails=True)


def test_words_after_the_scan_are_counted(tmp_path):
    folder = study(tmp_path / "fox", runs=(1,))
    for path in folder.rglob("*events.tsv"):
        rewritten(path, lambda t: t.assign(onset=t.onset + 60))
    assert "after the last have no signal" in run("data", "check", folder)
