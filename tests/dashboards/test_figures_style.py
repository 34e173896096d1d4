"""One colour and one marker per model."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest

from dashboards.figures import style
from dashboards.figures.style import INK, MARKERS, THEMES, contrast, ink, looks
from data.errors import BrainLensError
from data.readers.published import schrimpf2021_models

PUBLISHED = [model for model in schrimpf2021_models().query("in_paper")["model"]]


@pytest.mark.parametrize("theme", THEMES)
def test_the_43_have_looks_of_their_own_that_can_be_seen(theme):
    found = looks(PUBLISHED, theme)
    assert len({(look.colour, look.marker) for look in found.values()}) == 43
    assert min(contrast(look.colour, ink("paper", theme)) for look in found.values()) >= 3.0


def test_every_published_model_has_a_place():
    placed = {model for family in style.FAMILIES.values() for model in family}
    assert set(PUBLISHED) <= placed


@pytest.mark.parametrize("theme", THEMES)
def test_words_and_rules_are_readable(theme):
    for role in ("text", "axis", "rule", "stamp", "flag"):
        assert contrast(ink(role, theme), ink("paper", theme)) >= 4.5, role
    assert contrast(ink("muted", theme), ink("paper", theme)) >= 2.8


def test_a_model_looks_the_same_in_every_figure():
    alone = looks(["gpt2-xl"])["gpt2-xl"]
    assert looks(PUBLISHED)["gpt2-xl"] == alone
    assert looks(["my-model", "gpt2-xl", "other"])["gpt2-xl"] == alone
    own = looks(["my-model"])["my-model"]
    assert looks(["gpt2-xl", "my-model"])["my-model"] == own


def test_a_model_looks_the_same_in_every_process():
    code = (
        "from dashboards.figures.style import looks; print(looks(['my-model', 'gpt2'])['my-model'])"
    )
    seen = set()
    for seed in ("1", "2"):
        made = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed},
        )
        seen.add(made.stdout)
    assert seen == {f"{looks(['my-model', 'gpt2'])['my-model']}\n"}


def test_a_variant_has_the_colour_of_its_model_and_an_open_marker():
    found = looks(["gpt2", "gpt2@untrained:init:0", "gpt2@noise:3:.1:0"])
    assert len({look.colour for look in found.values()}) == 1
    assert [look.open for look in found.values()] == [False, True, True]
    assert looks(["gpt2@untrained:init:0"])["gpt2@untrained:init:0"].colour == found["gpt2"].colour


def test_unknown_models_do_not_look_alike_in_one_figure():
    names = [f"lab-model-{i}" for i in range(24)]
    found = looks(names)
    assert len({look.colour for look in found.values()}) == 24
    assert found == {name: looks(reversed(names))[name] for name in names}


def test_aliases_share_the_look():
    found = looks(["smollm2-135m", "smollm2-135m-instruct-q4_1"])
    assert len(set(found.values())) == 1


# Viénot, Brettel & Mollon 1999: what a red-blind and a green-blind eye sees, in linear RGB.
_BLIND = {"protan": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
          "deutan": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]}  # fmt: skip


_TOGETHER = {
    "starter": (
        "smollm2-135m",
        "stories15m",
        "glove-50d",
        "minilm",
        "flair",
        "trigram-en-us",
        "gpt2",
    ),
    "zoo": (
        "zoo-causal-3m",
        "zoo-masked-1m",
        "zoo-lstm-1m",
        "zoo-glove-64d",
    ),
    "sizes": (
        "zoo-causal-200k",
        "zoo-causal-400k",
        "zoo-causal-700k",
        "zoo-causal-1m",
        "zoo-causal-3m",
        "zoo-recurrent-700k",
    ),
}


@pytest.mark.parametrize("eye", [None, "protan", "deutan"])
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("group", _TOGETHER)
def test_models_that_come_together_can_be_told_apart_by_every_eye(group, eye, theme):
    matrix = np.eye(3) if eye is None else np.array(_BLIND[eye])
    found = looks(_TOGETHER[group], theme)
    lab = {}
    for name, look in found.items():
        seen = np.clip(matrix @ style._linear(look.colour), 0, 1)
        lab[name] = style._LAB @ np.cbrt(style._LMS @ seen)
    for one, other in itertools.combinations(found, 2):
        apart = np.linalg.norm(lab[one] - lab[other])
        assert apart > 0.06 or found[one].marker != found[other].marker, (one, other, apart)
        assert apart > 0.06 or eye or group == "sizes", (
            one,
            other,
            apart,
        )  # relatives differ in shade and marker


def test_categories_take_the_palette_in_order():
    found = looks(["s2", "s1", "s3"], column="subject")
    assert len({look.colour for look in found.values()}) == 3
    assert found == looks(["s2", "s1", "s3"], column="subject")


def test_a_user_can_change_a_colour():
    chosen = {"gpt2": "#12345A"}
    names = ["gpt2", "gpt2@untrained:init:1"]
    assert {look.colour for look in looks(names, chosen=chosen).values()} == {"#12345a"}
    assert looks(["gpt2"])["gpt2"].colour != "#12345a"


def test_mistakes_are_explained():
    with pytest.raises(
        BrainLensError, match=r"'red', the colour of gpt2, is not written as #rrggbb"
    ):
        looks(["gpt2"], chosen={"gpt2": "red"})
    with pytest.raises(BrainLensError, match="Unknown theme 'drak'; did you mean 'dark'"):
        looks(["gpt2"], "drak")
    with pytest.raises(BrainLensError, match="Unknown ink 'papper'"):
        ink("papper")


def test_markers_have_a_twin_in_print():
    assert len(set(style.MATPLOTLIB_MARKERS.values())) == len(MARKERS)
    assert INK["light"].keys() == INK["dark"].keys()


@pytest.mark.parametrize("theme", style.THEMES)
def test_checkpoints_are_a_ramp_in_the_order_of_their_steps(theme):
    steps = [f"step {step:,}" for step in (1000, 0, 512, 64, 128, 20_000, 1)]
    found = looks(steps, theme, "trained")
    in_order = sorted(steps, key=lambda step: int(step[5:].replace(",", "")))
    depth = [style.contrast(found[step].colour, style.ink("paper", theme)) for step in in_order]
    assert (np.diff(depth) > 0.1).all() and depth[0] >= 3
    assert len({look.marker for look in found.values()}) == 1


def test_checkpoints_of_a_model_are_the_same_ramp_and_the_marker_tells_the_training():
    names = ["pythia-70m@revision:step512", "tiny-step0", "pythia-70m@revision:step0", "tiny-step512", "tiny"]  # fmt: skip
    found = looks(names)
    assert found["tiny-step0"].colour == found["pythia-70m@revision:step0"].colour
    assert found["tiny-step0"].colour != found["tiny-step512"].colour
    assert not any(look.open or look.changed for look in found.values())
    assert found["tiny-step512"].marker == found["tiny-step0"].marker == found["tiny"].marker
    assert found["tiny"].colour == looks(["tiny"])["tiny"].colour  # the finished one is itself
    alone = looks(["tiny-step0", "gpt2"])
    assert (
        alone["tiny-step0"].colour == looks(["tiny-step0"])["tiny-step0"].colour
    )  # no ramp of one


def test_only_what_is_changed_is_dashed():
    found = looks(
        ["gpt2", "gpt2@at:attn", "gpt2@untrained:init:0", "gpt2@at:attn@lesion:map-x:5:0"]
    )
    assert [look.changed for look in found.values()] == [False, False, True, True]


@pytest.mark.parametrize("theme", THEMES)
def test_words_in_the_colour_of_a_model_are_readable(theme):
    for look in looks([*style.FAMILIES["gpt"], "random-64", "my-model"], theme).values():
        words = style.lettering(look.colour, theme)
        assert style.contrast(words, INK[theme]["paper"]) >= 4.5
