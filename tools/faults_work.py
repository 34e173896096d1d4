"""The work that ``tools.faults`` disturbs: a score, tables out and in, a view, uploads, a run's piece, a model."""

from __future__ import annotations

import io
import json
import os
import shutil
import traceback
from pathlib import Path

STEPS = (
    "score",
    "export",
    "import",
    "bookmark",
    "upload",
    "story",
    "epochs",
    "sweep",
    "piece",
    "starter",
)
"""What a child does, one after the other; each may fail by itself."""


def prepare(home: Path) -> None:
    """A home with a model of word vectors and a table of one's own."""
    import numpy as np
    import pandas as pd

    os.environ |= {"BRAINLENS_HOME": str(home), "BRAINLENS_SHARED": "", "BRAINLENS_MIRROR": ""}
    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in range(30)]
    model = home / "models" / "toy"
    model.mkdir(parents=True)
    np.save(model / "vectors.npy", rng.standard_normal((30, 6)).astype(np.float32))
    (model / "words.txt").write_text("\n".join(words) + "\n")
    (model / "card.json").write_text(
        json.dumps({"adapter": "static", "cls": "embedding", "layers": 0, "width": 6})
    )
    texts = [" ".join(rng.choice(words, 4)) for _ in range(40)]
    frame = pd.DataFrame({"text": texts, "topic": [f"t{i // 5}" for i in range(40)]})
    for person in range(4):
        frame[f"v{person}"] = rng.standard_normal(40)
    frame.to_csv(home.parent / "mine.csv", index=False)


def work(home: Path, steps: tuple[str, ...] = STEPS) -> dict[str, object]:
    """Every step: its number, or the error in words; a raw exception is told as one."""
    told: dict[str, object] = {}
    for step in steps:
        try:
            told[step] = _STEPS[step](home)
        except Exception as error:
            from data.errors import BrainLensError

            words = isinstance(error, BrainLensError)
            told[step] = (
                {"words": str(error)}
                if words
                else {"raw": "".join(traceback.format_exception(error))}
            )
    return told


def _quick(preset):
    return preset("defended").but(folds=3, inner_folds=2, bootstrap=10, shuffled_twin=False, controls=("position",),
                                  criterion="gcv", unique=False)  # fmt: skip


def _case(home: Path):
    from analysis.protocol import preset
    from data.catalog.catalog import recording

    quick = _quick(preset)
    people = {f"v{i}": f"p{i}" for i in range(4)}
    mine = recording(
        home.parent / "mine.csv", text="text", group="topic", responses=list(people), subject=people
    )
    return mine, quick


def _score(home: Path):
    from analysis.scoring.verb import score

    mine, quick = _case(home)
    one = score("toy", mine, quick)
    return [
        round(one.value, 12),
        round(float(one.ceiling.value), 12),
        one.dataset.r.values.round(12).tolist(),
    ]


def _export(home: Path):
    from analysis.scoring.results import export, results

    frame = results()
    own = frame[
        (frame["source"] == "own") & (frame["recording"] == "mine")
    ]  # the sweep's is none of this step
    path = export(own, home / "out" / "mine.csv") if len(own) else None
    return None if path is None else len(path.read_text().splitlines())


def _import(home: Path):
    from analysis.scoring.results import bring

    table = home.parent / "theirs.csv"
    if not table.exists():
        table.write_text("model,recording,r\ngpt2,pereira2018,0.3\n")
    return float(bring(table)["r"].iloc[0])


def _bookmark(home: Path):
    from dashboards.page.bookmarks import keep, kept

    keep("view", "lens=layers")
    return kept()["view"]


def _upload(home: Path):
    from data.catalog import shelf
    from data.catalog.catalog import recording

    if "kept" not in shelf.kept():
        staged = shelf.stage({"kept.csv": (home.parent / "mine.csv").read_bytes()})
        shelf.keep(staged, "kept", text="text", group="topic", responses=["v0", "v1"])
    return recording("kept").n_stimuli


def _story(home: Path):
    """Loose files of a story: words with times and two people's signals."""
    import numpy as np

    from data.catalog.own_story import keep_story, stage_story

    words = "onset\tduration\tword\n" + "".join(f"{i * 0.6:.1f}\t0.4\tword{i}\n" for i in range(40))
    files = {"fox.tsv": words.encode()}
    for number in range(2):
        files[f"sub-0{number}.npy"] = _array(np.random.default_rng(number).standard_normal((14, 3)))
    return _dropped("mine-story", files, stage_story, keep_story, {"interval": 2.0})


def _epochs(home: Path):
    """Loose files of epochs: arrays of two people and the words that they heard."""
    import numpy as np

    from data.catalog.own_epochs import keep_epochs, stage_epochs

    files = {"words.csv": b"word\n" + b"".join(b"word%d\n" % i for i in range(20))}
    for number in range(2):
        files[f"sub-0{number}.npy"] = _array(
            np.random.default_rng(number).standard_normal((20, 3, 30))
        )
    return _dropped(
        "mine-epochs", files, stage_epochs, keep_epochs, {"first_lag": 0.0, "lag_step": 10.0}
    )


def _array(values) -> bytes:
    import numpy as np

    kept = io.BytesIO()
    np.save(kept, values)
    return kept.getvalue()


def _dropped(name: str, files: dict[str, bytes], stage, keep, facts: dict):
    """What was dropped and kept has, read from the library."""
    from data.catalog import shelf
    from data.catalog.catalog import recording

    if name not in shelf.kept():
        path, parts, told = stage(files)
        keep(path, name, parts, {**told, **facts})
    found = recording(name)
    return [found.n_stimuli, found.n_targets, round(float(abs(found.responses).sum()), 6)]


def _sweep(home: Path):
    """A cell of a sweep over the table that was put into the library; what failed before is tried again."""
    from analysis.protocol import preset
    from analysis.store.store import Store
    from analysis.sweep.board import Sweep
    from analysis.sweep.plan import Plan
    from analysis.sweep.work import loop
    from data.errors import BrainLensError

    _upload(home)
    quick = _quick(preset).but(ceiling="none", seeds=1, controls=())
    sweep = Sweep.of(
        Plan("faults", ("toy",), ("kept",), ("quick",), changed={"quick": quick}), Store()
    )
    sweep.forget("failed")
    loop(sweep)
    for one in map(sweep.state, sweep.tasks):
        if one["state"] == "failed":
            words = one["error"].startswith(("BrainLensError", "DiskError", "Damaged"))
            raise BrainLensError(one["error"]) if words else RuntimeError(one["traceback"])
    return sweep.scores()["r"].round(12).tolist()


def _piece(home: Path):
    import numpy as np

    from analysis.store.store import Store

    store = Store()
    found = store.piece("run", "0")
    if found is None:
        store.save_piece("run", "0", nats=np.arange(2000.0))
        found = store.piece("run", "0")
    return float(found["nats"].sum())


def _starter(home: Path):
    """A model brought in as a starter is: a work folder, then one rename."""
    from data.files import working

    target = home / "models" / "brought"
    if not target.exists():
        with working(home / "models") as folder:
            made = folder / "out"
            shutil.copytree(home / "models" / "toy", made)
            os.replace(made, target)
    return sorted(path.name for path in target.iterdir())


_STEPS = {
    "score": _score,
    "export": _export,
    "import": _import,
    "bookmark": _bookmark,
    "upload": _upload,
    "story": _story,
    "epochs": _epochs,
    "sweep": _sweep,
    "piece": _piece,
    "starter": _starter,
}
