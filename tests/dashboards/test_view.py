"""A question changes nothing: ``view()`` and ``missing()`` of every lens set no widget and no field of the selection."""

from __future__ import annotations

import pytest

from analysis.protocol import preset
from dashboards import LENSES, Items, Layers, Task
from dashboards.lens.lens import Lens

QUICK = preset("defended").but(
    seeds=1,
    folds=3,
    inner_folds=2,
    bootstrap=50,
    shuffled_twin=False,
    ceiling="none",
    controls=("position",),
)


def set_by(lens: Lens) -> list[str]:
    """What a look at a lens set, by class and parameter."""
    found: list[str] = []

    def watched(*events) -> None:
        found.extend(f"{type(event.obj).__name__}.{event.name}" for event in events)

    for part in {lens.selection, *lens.controls.select(), *lens.body.select()}:
        part.param.watch(watched, [name for name in part.param if name != "name"])
    lens.missing()
    lens.view()
    return found


@pytest.mark.parametrize("slug", [name for name in LENSES.own if name != "library"])
def test_a_look_at_a_lens_sets_nothing(slug, clean_home):
    lens = LENSES[slug]()
    assert isinstance(lens, Lens) and set_by(lens) == []


def test_nor_does_it_where_results_are_drawn(clean_home):
    asked = dict(models=["zoo-causal-200k", "random-64"], recording="simulated", protocol=QUICK)
    for kind in (Layers, Task, Items):
        lens = kind(**asked).run(wait=True)
        assert lens.view().there and set_by(lens) == [], kind
