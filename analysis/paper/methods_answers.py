"""What goes into the paper beside a figure that is drawn from an answer and not from stored scores: methods and references."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.answers.answer import listed
from analysis.models.catalog import card
from analysis.models.variants.spec import split
from analysis.paper.methods import (
    HOERL,
    POOLING,
    add_reference,
    context_words,
    data_sentences,
    mapping_sentences,
    model_words,
    own_reference,
    read_unit,
    software_sentence,
    time_sentences,
)
from analysis.protocol import Protocol
from analysis.scoring.folds import runs
from analysis.scoring.provenance import recorded, rules
from analysis.store.keys import versions
from data.catalog.catalog import recording as load_recording

__all__ = ["GEIGER", "beside"]

GEIGER = """@inproceedings{geiger2022wiring,
  title = {Wiring Up Vision: Minimizing Supervised Synaptic Updates Needed to Produce a Primate Ventral Stream},
  author = {Geiger, Franziska and Schrimpf, Martin and Marques, Tiago and DiCarlo, James J.},
  booktitle = {International Conference on Learning Representations}, year = {2022}
}"""
_SIMULATED = "% The data behind these numbers are simulated."
_UNCITED = "% No citation is known for the recording {}."


def beside(
    done: str,
    *,
    models: Sequence[str] = (),
    recording: str = "",
    protocol: Protocol | None = None,
    mapped: bool = True,
    cited: Sequence[str] = (),
) -> tuple[str, str]:
    """Methods paragraph and BibTeX of an answer.

    Parameters
    ----------
    done : str
        What was done, in complete sentences: the answer's caption.
    models : sequence of str
        Whose numbers are in it; variants stand under the model that they are of.
    recording : str
        Whose responses are in it; empty: none are.
    protocol : Protocol, optional
        Under which stimuli were read.
    mapped : bool
        Whether responses were predicted under the protocol's folds; False: ``done`` says how.
    cited : sequence of str
        Further references, as BibTeX.

    Returns
    -------
    tuple of (str, str)
        Recordings are read and hashed: up to seconds.
    """
    bases = list(dict.fromkeys(split(name)[:2] for name in models))
    about = None if not recording else recorded(opened := load_recording(recording))
    said = [] if about is None else data_sentences(about)
    if bases:
        named = listed(map(_model, bases))
        said.append(f"The model{' was' if len(bases) == 1 else 's were'} {named}.")
    if about is not None and protocol is not None:
        one = read_unit(about)
        read = context_words(about, protocol)
        said.append(f"Each {one} was read {read} and represented by {POOLING[protocol.pooling]}.")
        said += time_sentences(about, protocol)
        if mapped:
            parts = [part for run in runs(opened, protocol) for part in run.parts]
            said += mapping_sentences(rules(parts, protocol), protocol)
    preset, changed = ("", {}) if protocol is None else (protocol.name, protocol.changes())
    said += [done.strip(), software_sentence(versions(), preset, changed)]
    return " ".join(filter(None, said)), _references(bases, about, protocol, cited)


def _model(named: tuple[str, str]) -> str:
    about, revision = card(named[0]), named[1]
    return model_words(
        {
            "id": about.id + (f"@revision:{revision}" if revision else ""),
            "class": about.cls,
            "layers": about.layers,
            "width": about.width,
            "parameters": about.parameters,
            "fingerprint": about.revision,
            "note": about.note,
        }
    )


def _references(bases, about, protocol, cited) -> str:
    entries: dict[str, str] = {}
    notes = []
    if about is not None:
        name = about["id"]
        add_reference(entries, about["citation"], f"recording-{name}", f"Recording {name}")
        if about["simulated"]:
            notes = [_SIMULATED]
        elif not about["citation"].strip():
            notes = [_UNCITED.format(name)]
    for one in (card(name) for name, _ in bases):
        add_reference(entries, one.citation, f"model-{one.id}", f"Model {one.id}")
    if about is not None and protocol is not None and protocol.method == "ridge":
        add_reference(entries, HOERL, "hoerl1970ridge", "")
    for one in cited:
        add_reference(entries, one, "", "")
    entries["brainlens"] = own_reference(versions()["brainlens"])
    return "\n\n".join([*notes, *entries.values()]) + "\n"
