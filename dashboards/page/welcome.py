"""The first five minutes: what the program answers, one click each, on what ships with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import panel_material_ui as pmui

from dashboards.lens.client import Client
from dashboards.lenses.training import CHECKPOINTED
from dashboards.look.look import Html, plain
from dashboards.state import Selection, defaults
from dashboards.work.desk import Desk
from dashboards.work.jobs import RUNNER
from dashboards.work.score_computations import example
from data.catalog.catalog import entry
from data.catalog.licences import asked
from data.catalog.starter import FIRST, STARTER, bring, missing, price
from data.errors import BrainLensError

__all__ = ["REAL", "STEPS", "Question", "Welcome", "real_questions"]

FAMILY = ("zoo-causal-200k", "zoo-causal-400k", "zoo-causal-700k", "zoo-causal-1m", "zoo-causal-3m")
"""Models of one family that ship, by size."""

STEPS = (
    (
        "Layers",
        "Which layer of a model predicts a recording best, and how near to the ceiling?",
        lambda: {"lens": "layers"},
    ),
    (
        "Task",
        "Do better next-word predictors of one family predict it better?",
        lambda: {"lens": "task", "models": list(FAMILY)},
    ),
    (
        "Untrained",
        "How much of the score is there before training?",
        lambda: {"lens": "untrained", "seeds": 5},
    ),
    (
        "Training",
        "When in training does the score emerge?",
        lambda: {"lens": "training", "models": [CHECKPOINTED]},
    ),
    (
        "Reading",
        "Does a model's surprisal explain reading times?",
        lambda: {"lens": "reading", "models": list(FAMILY[:2])},
    ),
)
"""Name, question, and the selection that answers it."""

_STORY = {"models": ["zoo-causal-3m"], "recording": FIRST, "preset": "story"}


class Question(NamedTuple):
    """A question of real people: its name, the question, the recording that answers it, and the selection."""

    name: str
    question: str
    recording: str
    wanted: Mapping[str, object]


REAL = (
    Question("When", "When is the brain of people who hear a story predicted, and beyond when words come?", FIRST,
             {"lens": "time", **_STORY}),
    Question("Where", "In which region are they predicted, and from which depth of the model?", FIRST,
             {"lens": "regions", **_STORY}),
    Question("Layers", "Which layer predicts them best, and how near to what other people predict?", FIRST,
             {"lens": "layers", **_STORY}),
    Question("Reading", "Does a model's surprisal explain how long each person looks at a word?", "ucl-eyetracking-people",
             {"lens": "reading", "models": list(FAMILY[:2]), "corpora": ["ucl-eyetracking-people"], "preset": "defended"}),
    Question("Potentials", "Does it explain the brain potentials of each person's words?", "ucl-eeg",
             {"lens": "reading", "models": list(FAMILY[:2]), "corpora": ["ucl-eeg"], "preset": "defended"}),
)  # fmt: skip
"""What the line asks once recordings of real people are here; the first brings them."""


def real_questions() -> list[Question]:
    """The questions whose recordings are on this machine; none before the first is."""
    here = {one.recording for one in REAL if not missing((one.recording,))}
    return [one for one in REAL if one.recording in here] if FIRST in here else []


class Welcome(pmui.Row):
    """One slim line above the lenses of a fresh page; it goes with the first step or choice, or when it is put away.

    Parameters
    ----------
    selection : Selection
        Set by each step.
    run : callable
        Computes what the lens in front then misses.
    visible : bool
        Whether the page was opened without a link to a view.
    client : Client, optional
        The page's; None: one of its own.
    """

    def __init__(
        self,
        selection: Selection,
        run: Callable[[], None],
        *,
        visible: bool,
        client: Client | None = None,
    ):
        self._selection, self._run = selection, run
        self._client = client or Client(active=False)
        self._desk = Desk(RUNNER, self._client.copy, lambda *_: None)
        self._people = pmui.Button(
            label="Real people",
            icon="groups",
            description=f"Real people: {real_words()}",
            variant="outlined",
            size="small",
            margin=(1, 6),
            on_click=lambda _: self.ask_people(),
        )
        self._simulated = pmui.Button(
            label="Simulated",
            icon="science",
            description="Simulated: the questions of a recording that ships with the program, whose truth is planted",
            variant="outlined",
            size="small",
            margin=(1, 6),
            on_click=lambda _: self._ask_of(()),
        )
        close = pmui.IconButton(
            icon="close",
            label="Put this away",
            description="Put this away",
            size="small",
            margin=0,
            on_click=lambda _: setattr(self, "visible", False),
        )
        hint = (
            "One click each, on models and a simulated recording that ship with the program: nothing is downloaded. "
            "'Real people' asks of a story heard in the scanner, which is fetched once; from then on every question is asked of "
            "real people, and 'Simulated' brings the others back. Your own models and data: the Library."
        )
        words = Html(
            f"<span title='{plain(hint)}'><b>The first five minutes</b></span>", margin=(6, 6, 0, 8)
        )
        self._line = pmui.Row(
            sizing_mode="stretch_width",
            margin=0,
            styles={"flex-wrap": "wrap"},  # a scrolling line would cut the hints of its buttons
        )
        self._ask_of(real_questions())
        super().__init__(
            words,
            self._line,
            close,
            visible=visible,
            sizing_mode="stretch_width",
            margin=(2, 0),
            sx={"alignItems": "center"},
            styles={
                "border-bottom": "1px solid var(--mui-palette-divider, #d9dee4)",
            },
        )
        selection.param.watch(
            lambda *_: setattr(self, "visible", False), ["lens", "models", "recording"]
        )

    def _ask_of(self, questions: Sequence[Question]) -> None:
        """The buttons of the line: questions of real people, or those of what ships where there are none."""
        steps = (
            [(one.name, one.question, partial(self.ask, one)) for one in questions]
            if questions
            else [
                (name, asked_, partial(self.take, n)) for n, (name, asked_, _) in enumerate(STEPS)
            ]
        )
        self._line[:] = [
            *(self._button(place, *step) for place, step in enumerate(steps, 1)),
            self._simulated if questions else self._people,
            self._desk.progress,
            self._desk.errors,
        ]

    def _button(self, place: int, name: str, question: str, act: Callable[[], None]):
        return pmui.Button(
            label=f"{place}. {name}",
            description=f"{place}. {name}: {question}",
            variant="text",
            size="small",
            margin=(1, 2),
            on_click=lambda _: act(),
        )

    def take(self, place: int) -> None:
        """Show one step; everything else goes back to its default."""
        self._show({**example(), **STEPS[place][2]()})

    def ask(self, question: Question) -> None:
        """Show one question of real people; everything else goes back to its default."""
        self._show(question.wanted)

    def ask_people(self) -> None:
        """The first question of real people; their recordings are fetched where they are not here yet."""
        if not missing((FIRST,)):
            self._ask_people()
        else:
            self._desk.submit("starter:recordings", "recordings of real people", _bring,
                              lambda _: self._ask_people(), files=True)  # fmt: skip

    def _ask_people(self) -> None:
        self._ask_of(real_questions())
        self.ask(REAL[0])

    def _show(self, wanted: Mapping[str, object]) -> None:
        wanted = {**defaults(), **wanted, "theme": self._selection.theme}
        self._selection.lent = {}
        self._selection.param.update(
            **{name: value for name, value in wanted.items() if name != "lens"}
        )
        self._selection.lens = wanted["lens"]
        self.visible = False
        self._run()


def real_words() -> str:
    """What a click brings, with sizes and licences."""
    told = price((FIRST,))
    return "When do models predict people who hear a story? " + (
        "Nothing has to be fetched."
        if told == "everything is here"
        else f"Fetches {price(_free())}."
    )


def _free() -> tuple[str, ...]:
    """What comes without a question about its licence."""
    return tuple(name for name in STARTER if not asked(name, entry(name).licence))


def _bring(report) -> None:
    """Fetch the pack; what the first question needs has to come."""
    for one in bring(_free(), report=report):
        if one.id == FIRST and one.state == "failed":
            raise BrainLensError(one.reason, remedy="Ask for it again, or set BRAINLENS_MIRROR")
