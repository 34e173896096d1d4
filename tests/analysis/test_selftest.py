"""The self-test is green here, and a fault planted in each group turns it red."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

import analysis.answers.trust.waterfall
import analysis.features.activations
import analysis.mapping
import analysis.mapping.splits
import analysis.models.transformer
import analysis.reading.delta_ll
import analysis.scoring.comparisons
import analysis.scoring.folds
import analysis.scoring.result
import analysis.scoring.summary
import analysis.scoring.verb
import analysis.statistics.bootstrap
import analysis.statistics.multiple
import analysis.store.store
import data.readers.published
from analysis.selftest import checks
from analysis.selftest.check import GROUPS, Absent, Check
from analysis.selftest.checks import CHECKS
from analysis.selftest.run import _outcome, markdown, selftest, verdict
from dashboards.command.cli import main


def test_the_quick_one_is_green_and_the_command_writes_a_report(tmp_path):
    path = tmp_path / "report.md"
    said = CliRunner().invoke(main, ["selftest", "--quick", "--report", str(path)])
    assert said.exit_code == 0, said.output
    quick = sum(check.quick for check in CHECKS)
    assert f"{quick} of {quick} checks are green" in said.output
    told = path.read_text()
    assert all(title in told for title in GROUPS.values())
    assert "| gpt2-xl on Pereira, shuffled | green | 0.397956 | 0.398 |" in told and "torch" in told


def _shifted(function, by):
    return lambda *args, **kwargs: function(*args, **kwargs) + by


def _table(monkeypatch):
    real = data.readers.published.hadidi2025
    monkeypatch.setattr(
        data.readers.published,
        "hadidi2025",
        lambda: real().assign(score=lambda t: t["score"] * 1.01),
    )


def _solver(monkeypatch):
    real = analysis.mapping.cross_validate

    def wrong(x, *args, **kwargs):  # a unit is lost on the way
        return real(x[:, 1:], *args, **kwargs)

    monkeypatch.setattr(analysis.mapping, "cross_validate", wrong)


def _leak(monkeypatch):
    real = analysis.scoring.folds.fit_parts

    def leaky(features, recording, *args, **kwargs):  # the answers stand among the features
        return real(np.hstack([features, recording.responses.values]), recording, *args, **kwargs)

    monkeypatch.setattr(analysis.scoring.folds, "fit_parts", leaky)


def _read(monkeypatch):
    real = analysis.features.activations.Activations.layer
    monkeypatch.setattr(analysis.features.activations.Activations, "layer", _shifted(real, 0.1))


def _narrow(monkeypatch):
    real = analysis.statistics.bootstrap.widening
    monkeypatch.setattr(analysis.statistics.bootstrap, "widening", _shifted(real, -0.45))


def _rounded(monkeypatch):
    real = analysis.store.store._bare
    monkeypatch.setattr(analysis.store.store, "_bare", lambda v: np.asarray(real(v)).astype("float16").astype("float64")
                        if np.asarray(v).dtype.kind == "f" else real(v))  # fmt: skip


def _scored(monkeypatch):
    real = analysis.scoring.verb.score

    class Off:
        def __init__(self, found):
            self.value = found.value + 0.01

    monkeypatch.setattr(analysis.scoring.verb, "score", lambda *a, **k: Off(real(*a, **k)))


def _patched(owner, name, wrong):
    """A fault: this function of this module is another one, made from what it was."""
    return lambda monkeypatch: monkeypatch.setattr(owner, name, wrong(getattr(owner, name)))


def _first_layer(real):
    return lambda inner, subjects: np.zeros_like(real(inner, subjects))


def _other_folds(real):
    return lambda recording, protocol, **k: real(
        recording, protocol.but(seed=protocol.seed + 1), **k
    )


def _unread(monkeypatch):
    """A file is not read again, so that nobody sees that it was damaged."""
    real, memory = analysis.store.store.save_arrays, {}
    monkeypatch.setattr(
        analysis.store.store, "save_arrays", lambda p, a: memory.update({p: dict(a)}) or real(p, a)
    )
    monkeypatch.setattr(analysis.store.store, "load_arrays", lambda path: dict(memory[path]))


FAULTS = {
    "published": [
        (_table, "gpt2-xl on Pereira, shuffled"),
        (_table, "OASM on Pereira, shuffled"),
        (_patched(data.readers.published, "schrimpf2021", lambda real: lambda: real().assign(score=lambda t: t.score + 0.01)),
         "gpt2-xl on Pereira, 2021"),
        (_patched(data.readers.published, "schrimpf2021", lambda real: lambda: real().assign(score=lambda t: t.score ** 3)),
         "Pereira with Blank over models"),
    ],
    "peers": [
        (_solver, "ridge minus scikit-learn's"),
        (_solver, "least squares minus numpy's"),
        (_patched(analysis.mapping, "cross_validate", lambda real: lambda *a, **k: real(*a, **k | {"criterion": "gcv"})),
         "leave-one-out penalties like scikit-learn's"),
        (_patched(analysis.mapping.splits, "make_folds", _other_folds), "shuffled folds like scikit-learn's"),
    ],
    "planted": [
        (_leak, "r of features that do not"),
        (_leak, "r of the features that drive"),
        (_patched(analysis.scoring.summary, "omega", lambda real: lambda j, m, c: real(j, m, c) / 2), "Omega of half"),
    ],
    "models": [
        (_read, "vector of a sentence, zoo-glove-64d"),
        (_patched(analysis.models.transformer.TransformerModel, "surprisal", lambda real: lambda self, texts, **k: [
            replace(one, nats=one.nats * 1.01) for one in real(self, texts, **k)]), "bits of a sentence, zoo-causal-200k"),
    ],
    "statistics": [
        (_narrow, "widening at ten folds"),
        (_patched(analysis.statistics.multiple, "fdr", lambda real: lambda p, **k: real(np.asarray(p) / 15, **k)),
         "discoveries in the example of 1995"),
        (_patched(analysis.statistics.multiple, "permutation_p", lambda real: lambda o, null: np.mean(null >= o)),
         "smallest p of 999 draws"),
        (_patched(analysis.answers.trust.waterfall, "shapley", lambda real: lambda values, names: {
            one: values[frozenset(one)] - values[frozenset()] for one in names}), "Shapley share of two switches"),
    ],
    "store": [
        (_rounded, "what comes back"),
        (_unread, "a damaged file counts as none"),
    ],
    "goldens": [
        (_scored, "zoo-glove-64d on simulated"),
        (_patched(analysis.scoring.result, "choose_layers", _first_layer),
         "zoo-causal-200k on simulated, layer chosen on inner folds"),
        (_patched(analysis.scoring.result, "ends", lambda real: lambda draws: tuple(np.nanquantile(draws, (0.25, 0.75)))),
         "lower end of its interval"),
        (_patched(analysis.scoring.comparisons, "_joint_fit", lambda real: lambda *a, **k: real(*a, **k).assign(
            controls=lambda fit: fit.controls * 0.9)), "its unique R2 beyond position and length"),
    ],
}  # fmt: skip


OF_THE_FULL_ONE = {
    "planted": [
        (_patched(analysis.ceiling.kinds, "ceiling", lambda real: lambda *a, **k: replace(
            found := real(*a, **k), value=0.8 * found.value)), "ceiling over the planted one"),
    ],
    "models": [
        (_patched(analysis.models.transformer.TransformerModel, "surprisal", lambda real: lambda self, texts, **k: [
            replace(one, nats=one.nats * 1.01) for one in real(self, texts, **k)]), "bits of a sentence, smollm2-135m"),
    ],
    "goldens": [
        (_patched(analysis.reading.delta_ll, "add_spillover", lambda real: lambda words, column, within, **k: real(
            words, column, within[:1], **k)), name)  # the last word of the sentence before spills over
        for name in ("delta log-likelihood of gpt2", "delta log-likelihood of opt-125m")
    ],
}  # fmt: skip


@pytest.mark.parametrize("group", GROUPS)
def test_planted_faults_turn_their_group_red(group):
    assert _red(group, FAULTS[group]) == [name for _, name in FAULTS[group]]


@pytest.mark.realdata
@pytest.mark.starter
@pytest.mark.parametrize("group", OF_THE_FULL_ONE)
def test_faults_that_only_the_full_one_sees_turn_it_red(group, mirror, starter):
    faults = OF_THE_FULL_ONE[group]
    assert _red(group, faults) == [name for _, name in faults]


def test_every_check_has_a_fault_that_turns_it_red_or_stands_beside_one_that_has():
    """Each group has; of the checks that the quick one leaves out, every single one."""
    full = {name for faults in OF_THE_FULL_ONE.values() for _, name in faults}
    assert full == {check.name for check in CHECKS if not check.quick}
    assert set(FAULTS) == set(GROUPS) and all(FAULTS.values())


def _red(group: str, faults) -> list[str]:
    """Names of the checks that their planted fault turns red, in words and in the verdict."""
    found = []
    for plant, name in faults:
        (check,) = [one for one in CHECKS if one.group == group and one.name == name]
        with pytest.MonkeyPatch.context() as patched:
            plant(patched)
            checks._whole.cache_clear()
            outcome = _outcome(check)
        checks._whole.cache_clear()
        told = f"{GROUPS[group]}, {name}" in verdict([outcome])
        if outcome.state == "red" and outcome.words and told:
            found.append(name)
    return found


def test_what_breaks_is_red_and_what_is_absent_is_not():
    def breaks():
        raise ZeroDivisionError("by nothing")

    def absent():
        raise Absent("the mirror")

    red = _outcome(Check("store", "a", breaks, 0.0, 0.0, ""))
    grey = _outcome(Check("store", "b", absent, 0.0, 0.0, ""))
    assert (red.state, grey.state) == ("red", "not here") and "by nothing" in red.words
    assert "1 need files that are not here" in verdict([red, grey])
    assert "the mirror" in markdown([grey])


def test_the_button_in_the_library_shows_what_came_of_it(monkeypatch):
    import analysis.selftest.checks as checks
    from dashboards.library.library import Library
    from dashboards.state import Selection

    monkeypatch.setattr(checks, "CHECKS", [one for one in CHECKS if one.group == "statistics"])
    library = Library(Selection(lens="library"))
    library.selftest.run()
    library.desk.wait(60)
    assert "4 of 4 checks are green" in library.selftest._said.object
    assert list(library.selftest.table.object["state"]) == ["green"] * 4
    assert library.selftest.file().getvalue().startswith(b"# BrainLens self-test")
    library.desk.close()


@pytest.mark.realdata
@pytest.mark.starter
@pytest.mark.slow
def test_the_full_one_is_green_with_mirror_and_starter(mirror, starter):
    found = selftest(quick=False)
    assert not [one for one in found if one.state != "green"]
    assert len(found) == len(CHECKS) and sum(one.seconds for one in found) < 600
