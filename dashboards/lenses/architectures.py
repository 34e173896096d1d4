"""Does an unusual architecture do better?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

import panel_material_ui as pmui
import param

from analysis.answers.further_words import best_so_far, front, remade
from analysis.paper.methods_answers import beside
from analysis.progress import Report
from analysis.protocol import Protocol
from analysis.scoring.cost import Cost
from dashboards.figures.spec import FigureSpec, Mark, Rule
from dashboards.lens.controls import ProtocolPicker, RecordingPicker
from dashboards.lens.lens import Computation, Lens, Picture, View
from dashboards.lenses.perturb import simulated_stamp, stamped_times
from dashboards.work import identity, opened
from dashboards.work.ledger import Ledger, Priced, Ready, Wish

__all__ = ["Architectures"]

STRATEGIES = {"Evolution with a surrogate": "evolution", "Random": "random"}
_SECONDS = 0.3, 0.6  # about, on one core: of a network, and of one update of it before it is judged

_NOTES = (
    ("search, held_out", "r of the layer that is best on the search's half, groups of stimuli held out inside each half; the "
     "search sees the first half only; "
     "analysis.answers.architectures.judged."),
    ("gate", "x: what comes from below, h: the layer's state before, each through a random matrix; p: that state as it is; "
     "a / b means a / (1 + |b|); sin(a) means the sine of 2a."),
    ("choosing added", "How much more the best is above the mean candidate where it was chosen than where it was not."),
    ("bits per byte, reading times", "Of trained networks that read forward, made anew from fresh seeds; the reading times are "
     "those of the lens Reading, what surprisal adds to them is held out, nats per word; analysis.answers.outcomes.gain."),
    ("front", "No other candidate is as good in held-out r, bits per byte (where trained) and number of weights."),
    ("names", "Every network is a model by its name: net-2x64-forward-none-x.h.add.tanh works in every lens and command; "
     "'brainlens architectures save' writes a model folder."),
)  # fmt: skip


class Architectures(Lens):
    """Search over small networks of a language of operators; search and unseen scores apart, fresh seeds, the Pareto front.

    Examples
    --------
    >>> Architectures(recording="simulated", networks=30).run(wait=True)  # doctest: +SKIP
    """

    slug, label, icon = "architectures", "Architectures", "account_tree"
    question = "Does an unusual architecture do better?"
    watches = (
        "recording", "preset", "changes", "corpora", "networks", "strategy", "trained", "search_seed",
    )  # fmt: skip
    fields: ClassVar = {
        "networks": param.Integer(60, bounds=(4, 2000), doc="Networks that a search tries."),
        "strategy": param.Selector(
            default="evolution", objects=list(STRATEGIES.values()), doc="How a search goes on: evolution or random."
        ),
        "trained": param.Integer(0, bounds=(0, 640), doc="Updates of each network before it is judged."),
        "search_seed": param.Integer(0, bounds=(0, 9999), doc="Seed of the search and of its halves."),
    }  # fmt: skip

    def make_controls(self) -> dict:
        self.searches = Ledger()
        lengths = {"Not at all": 0, "16 updates": 16, "64 updates": 64}
        networks = self.control(pmui.IntInput, "networks", "Networks", start=4, end=2000, step=10)
        strategy = self.control(pmui.Select, "strategy", "Search", options=STRATEGIES)
        trained = self.control(
            pmui.Select, "trained", "Trained before it is judged", options=lengths
        )
        seed = self.control(pmui.IntInput, "search_seed", "Seed", start=0, end=9999)
        return {
            "What": [RecordingPicker(self.selection)],
            "How": [networks, strategy, trained, seed, ProtocolPicker(self.selection)],
        }

    def _wish(self) -> Wish:
        choice = self.selection
        told = (choice.networks, choice.strategy, choice.trained, choice.search_seed)
        key = f"search:{identity.case([], choice.recording, choice.protocol)}|{told}"
        tried = 2 * choice.networks + 15  # with the random search, and fresh seeds of three
        seconds = tried * (_SECONDS[0] + _SECONDS[1] * choice.trained)
        corpus = choice.corpora[0] if choice.corpora and choice.trained else ""
        if corpus:
            key += f"|{identity.recording(corpus)}"
        asked = (choice.recording, choice.protocol, *told, corpus)
        title = f"{choice.networks} networks on {choice.recording}"
        return Wish(key, title, partial(_search, *asked), partial(_look, *asked, seconds))

    def missing(self) -> list[Computation]:
        return self.searches.computations([self._wish()])

    def view(self) -> View:
        choice = self.selection
        answer = self.searches.value(self._wish().key)
        if answer is None:
            return View(
                empty=f"No search was run: {choice.networks} small networks of unusual and usual operators are tried on "
                f"{choice.recording}. Press Run (or the key r).",
                action=("Run", self.run),
            )
        stamp = simulated_stamp(choice.recording)
        paper = _paper(choice, answer)
        shown = pictures(answer, stamp, _python(choice), paper)
        shown = stamped_times(shown, choice.corpora)
        return View(shown, (stamp,) if stamp else (), notes=_NOTES)


def _paper(choice, answer) -> Callable[[], tuple[str, str]]:
    """Methods paragraph and references."""
    done = (
        f"{choice.networks} networks were tried ({choice.strategy}; updates of each before it was judged: {choice.trained}; "
        f"seed {choice.search_seed}). Responses were predicted by ridge regression, its penalty chosen by generalised "
        f"cross-validation on the training fold. {answer.caption}"
    )
    asked = dict(recording=choice.recording, protocol=choice.protocol, mapped=False)
    return partial(beside, done, **asked)


_HOVER = ("formula", "name", "family", "search", "held_out", "bits_per_byte", "weights")


def pictures(answer, stamp: str = "", python: str = "", paper=None) -> tuple[Picture, ...]:
    """Unseen against search scores, the course of the search, the front, and fresh seeds."""
    common = {"python": python, "paper": paper}
    frame = answer.frame.assign(kind=[_kind(name) for name in answer.frame["family"]])
    best = frame[frame["number"] == answer.facts["winner"]["number"]]
    marks = (
        Mark("points", frame, "search", "held_out", colour="kind", hover=_HOVER),
        Mark(
            "points",
            best,
            "search",
            "held_out",
            name="best of the search",
            ringed=True,
            hover=_HOVER,
        ),
    )
    made = [
        Picture("Search and unseen", FigureSpec(
            Architectures.question, marks, answer.axes["x_title"], answer.axes["y_title"], (Rule("xy"), Rule("y", 0.0)),
            answer=answer.sentence, caption=answer.caption, stamp=stamp), answer.frame, **common),
        Picture("Front", _front(frame, stamp), frame[frame["front"]], **common),
        Picture("Course", _course(frame, stamp), frame, **common),
    ]  # fmt: skip
    fresh = answer.facts["fresh"]
    made += [
        Picture(label, _fresh(fresh, stamp, measure, title), fresh, **common)
        for measure, (label, title) in _FRESH.items()
        if measure in fresh and fresh[measure].notna().any()
    ]
    return tuple(made)


_FRESH = {
    "held_out": ("Fresh seeds", "r on unseen stimuli"),
    "bits_per_byte": ("Bits per byte", "Bits per byte"),
    "delta_ll": ("Reading times", "Delta log-likelihood, nats per word"),
}


def _fresh(fresh, stamp: str, measure: str, title: str) -> FigureSpec:
    known = fresh.dropna(subset=[measure])
    hover = ("formula", "family", "seeds", measure)
    marks = (
        Mark("points", known, "formula", measure, f"{measure}_low", f"{measure}_high", hover=hover),
    )
    rules = () if measure == "bits_per_byte" else (Rule("y", 0.0),)
    return FigureSpec(
        "What is left from fresh seeds?", marks, "", title, rules, stamp="" if measure == "bits_per_byte" else stamp,
        horizontal=True, answer=remade(known, measure), caption="Other weights, one width; mean and t interval over seeds.",
    )  # fmt: skip


def _kind(family: str) -> str:
    """Few words for the colours."""
    if family == "attention":
        return family
    odd = next((word for word in ("sin", "div", "norm") if word in family), "plain")
    return f"{odd}, {'recurrent' if 'recurrent' in family else 'feed-forward'}"


def _front(frame, stamp: str) -> FigureSpec:
    trained = frame["bits_per_byte"].notna().any()
    best = frame[frame["front"]].assign(kind="front")
    marks = (
        Mark("points", frame, "weights", "held_out", muted=True, name="networks", hover=_HOVER),
        Mark("points", best, "weights", "held_out", name="front", ringed=True, hover=_HOVER),
    )
    rest = (
        " and bits per byte."
        if trained
        else "; nothing was trained, so bits per byte do not count."
    )
    return FigureSpec(
        "What does a score cost?", marks, "Weights (log scale)", "r on unseen stimuli", (Rule("y", 0.0),), log_x=True,
        stamp=stamp, answer=front(frame), caption=f"Ringed: on the front of unseen r, weights{rest}",
    )  # fmt: skip


def _course(frame, stamp: str) -> FigureSpec:
    course = frame.assign(best=frame["search"].cummax(), number=frame["number"] + 1)  # as counted
    marks = (
        Mark("points", course, "number", "search", colour="kind", hover=_HOVER),
        Mark("line", course, "number", "best", name="best so far"),
    )
    return FigureSpec(
        "How did the search go?", marks, "Network", "r on the search's stimuli", (Rule("y", 0.0),), stamp=stamp, whole_x=True,
        answer=best_so_far(frame), caption="In the order of the search; the line is the best so far.",
    )  # fmt: skip


def _search(
    recording: str, protocol: Protocol, count: int, strategy: str, updates: int, seed: int, corpus: str, report: Report
):  # fmt: skip
    """The search, a random one of the same budget, and three networks from fresh seeds."""
    from analysis.answers.architectures import searched

    return searched(
        recording,
        protocol,
        count=count,
        strategy=strategy,
        updates=updates,
        seed=seed,
        corpus=corpus,
        report=report,
    )


def _look(
    recording: str, protocol: Protocol, count: int, strategy: str, updates: int, seed: int, corpus: str, seconds: float,
    report: Report,
):  # fmt: skip
    """The search where it is stored, else what it costs."""
    from analysis.answers.architectures import stored_search

    times = opened.recording(corpus) if corpus and updates else ""
    asked = dict(count=count, strategy=strategy, updates=updates, seed=seed, corpus=times)
    found = stored_search(opened.recording(recording), protocol, **asked)
    return Priced(Cost(1, seconds=seconds)) if found is None else Ready(found)


def _python(choice) -> str:
    changes = ", ".join(f"{name}={value!r}" for name, value in choice.changes.items())
    protocol = f"preset({choice.preset!r})" + (f".but({changes})" if changes else "")
    times = f", corpus={choice.corpora[0]!r}" if choice.corpora and choice.trained else ""
    return "\n".join([
        '"""Made by BrainLens: a search over networks of operators."""',
        "",
        "from analysis import preset",
        "from analysis.answers.architectures import searched",
        "",
        f"answer = searched({choice.recording!r}, {protocol}, count={choice.networks}, strategy={choice.strategy!r},",
        f"                  updates={choice.trained}, seed={choice.search_seed}{times})",
        "print(answer.sentence)",
        "print(answer.caption)",
        'answer.frame.to_csv("architectures.csv", index=False)',
        "",
    ])  # fmt: skip
