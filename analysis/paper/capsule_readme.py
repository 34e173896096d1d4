"""The page in a capsule that tells a stranger what it is and how to check it, with BrainLens and without."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.answers.answer import plural

__all__ = ["checked_without_us", "readme"]

_FILES = {
    "manifest.json": "sha256 of every other file",
    "provenance.json": "all that determines the number: choices, hashes of data, texts, model and tokenizer, seeds, versions",
    "result.json": "the number with its interval and ceiling, one row as `brainlens results` lists it",
    "layers.csv": "every layer",
    "targets.csv": "every target (voxel, region, electrode, measure) at the layer chosen in each fold",
    "folds.csv": "which stimulus was held out in which fold",
    "predictions_0.npy": "held-out predictions of the first fold seed, stimuli x targets (a file for each part)",
    "methods.txt": "a paragraph for a paper",
    "references.bib": "what to cite",
    "checklist.md": "what was done about splits, layers, ceilings, controls and multiple tests",
    "licences.md": "whose data and weights these are; neither is in here",
    "reproduce.py": "computes the number again and says whether it is the same",
    "figure.pdf": "the profile over layers",
}
_SCRIPT = """import hashlib, json, pathlib
import pandas as pd

files = json.loads(pathlib.Path("manifest.json").read_text())["files"]
wrong = [n for n, h in files.items() if hashlib.sha256(pathlib.Path(n).read_bytes()).hexdigest() != h]
print("changed since it was made:", wrong or "nothing")
"""
_NUMBER = """r = pd.read_csv("targets.csv")
r = r.groupby("subject")["r"].{targets}().{people}() if "subject" in r else r["r"].{targets}()
shown = json.loads(pathlib.Path("result.json").read_text())["r"]
print(f"r = {{r:.5f}}, told {{shown:.5f}}:", "the same" if abs(r - shown) < 1e-5 else "DIFFERENT")
"""


def checked_without_us(protocol) -> str:
    """Python that checks an unpacked capsule with pandas alone; without the number where folds are averaged last."""
    if protocol.order != type(protocol)().order:
        return _SCRIPT
    return _SCRIPT + _NUMBER.format(targets=protocol.targets, people=protocol.people)


def readme(score, files: Iterable[str]) -> str:
    """The page, as Markdown.

    Parameters
    ----------
    score : Score
    files : iterable of str
        What lies in the capsule beside this page and its manifest.
    """
    about, protocol = score.provenance, score.protocol
    listed = "\n".join(
        f"- `{name}`: {_FILES[name]}" for name in _FILES if name in {*files, "manifest.json"}
    )
    data = about["recording"]
    without = checked_without_us(protocol)
    last = (
        ""
        if "targets.csv" in without
        else "Folds are averaged last here, so the number does not follow from `targets.csv`: `reproduce.py` computes it.\n\n"
    )
    seeds = plural(protocol.seeds, "fold seed")
    return f"""# One result, with all that determines it

{score.sentence()}

Made by BrainLens {about["versions"].get("brainlens", "")}. Responses, texts and weights are not in here: they have licences of
their own (`licences.md`). Their hashes are.

## Check it without BrainLens

Unpack the zip, and in its folder:

```python
{without}```

{last}This says that nothing was changed after it was made, and that the number follows from its parts
({seeds}). Whoever changes a file can also change the manifest: against that only the next step helps.

## Compute it again

Install BrainLens, have the recording (`{data["id"]}`, {data["source"] or "no source told"}) and the model
(`{about["model"]["id"]}`) here, and run `python reproduce.py`. Where recording or model lie elsewhere, write their paths into its
list. It prints "the same" where r agrees to 5e-4. Where it does not:

```sh
brainlens results diff THIS.zip YOURS.zip --split
```

names what differs, the likely cause first, and computes what each difference does.

## Compare it

`brainlens results import THIS.zip` shows it in the lens Compare, labelled as imported; in Python
`analysis.scoring.capsules.read_capsule("THIS.zip")`. Nothing in a capsule is run or unpickled when it is opened.

## What lies in it

{listed}
"""
