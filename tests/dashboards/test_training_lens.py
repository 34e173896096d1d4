"""The Training lens by itself, on a short protocol."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from analysis.protocol import preset
from dashboards import Training
from dashboards.figures import paper
from dashboards.lenses.training import CHECKPOINTED
from dashboards.work import identity
from dashboards.work.ledger import Ready
from tests.figures import misprints

QUICK = preset("defended").but(
    seeds=1,
    folds=3,
    inner_folds=2,
    bootstrap=50,
    shuffled_twin=False,
    ceiling="none",
    controls=("position",),
)


def test_without_checkpoints_it_says_so_and_offers_some():
    lens = Training(models=["zoo-causal-200k"])
    assert "None of the chosen models has checkpoints" in lens.shown.empty and not lens.shown.there
    _, act = lens.shown.action
    act()
    assert lens.selection.models == ["zoo-causal-200k", CHECKPOINTED] and len(lens.wanted()) == 8


@pytest.mark.slow
def test_the_score_rises_and_the_bits_fall_along_the_training():
    lens = Training(models=[CHECKPOINTED], recording="simulated")
    lens.selection.protocol = QUICK
    lens.run(wait=True)
    assert not lens.failed and not lens.missing()
    assert [picture.label for picture in lens.shown.pictures] == [
        "Score",
        "Bits per byte",
        "Layers",
    ]
    frame = lens.shown.pictures[0].table
    assert frame["step"].tolist() == [0, 12, 32, 80, 200, 500, 1280, 3200]
    assert (
        frame["bits_per_byte"].is_monotonic_decreasing
        and frame["r"].iloc[-1] > frame["r"].iloc[0] + 0.08
    )
    assert frame["r"].corr(frame["bits_per_byte"], method="spearman") < -0.8
    assert "simulated" in lens.shown.pictures[0].spec.stamp and any(
        term == "tiny models" for term, _ in lens.shown.notes
    )
    for picture in lens.shown.pictures:
        assert paper.render(picture.spec, format="svg").startswith(b"<?xml")
        assert misprints(picture.spec) == []


def test_a_text_chosen_in_another_lens_is_shown_by_its_name(tmp_path):
    """The text is shared: it may be a recording's words, or a file of one's own."""
    from analysis import score

    own = tmp_path / "mine.txt"
    own.write_text("It was a quiet morning by the river. " * 20)
    lens = Training(
        models=[f"{CHECKPOINTED}-step0", f"{CHECKPOINTED}-step12"],
        recording="simulated",
        text=str(own),
    )
    assert lens._text.value == str(own) in lens._text.options.values()
    lens.selection.text = "simulated-reading"
    assert lens._text.value == "simulated-reading"
    lens.selection.text = str(own)
    assert lens._text.value == str(own)
    scored = score(f"{CHECKPOINTED}-step0", "simulated", QUICK)
    lens.selection.protocol = QUICK
    lens.wanted = lambda: [scored.model]
    lens.scores.keep(lens.scores.key(scored.model), Ready(scored))
    lens.texts.keep(
        f"text:{identity.model(scored.model)}|{identity.recording(str(own))}",
        Ready(SimpleNamespace(bits_per_byte=3.0)),
    )
    lens.refresh()
    score_picture, bits = lens.shown.pictures[:2]
    assert f"Text: {own}." in bits.spec.caption and {"n_stimuli", "source", "ceiling"} <= set(
        score_picture.spec.marks[1].hover
    )
    lens.close()
