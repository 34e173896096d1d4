"""``python -m tools.zoo``: fetch the text, train every member of the zoo, write ``data/zoo``. Resumes where it stopped."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from analysis.models.zoo.recipes import RECIPES
from analysis.progress import Report
from data.errors import BrainLensError, unknown
from data.home import home
from tools.zoo.cards import document, write_cards
from tools.zoo.prepare import prepare
from tools.zoo.tokens import write_tokens

ZOO = Path(__file__).resolve().parents[2] / "data" / "zoo"


def main(arguments: list[str] | None = None) -> int:
    """Train what is asked for; 0 where all went well."""
    parser = argparse.ArgumentParser(prog="python -m tools.zoo", description=__doc__)
    parser.add_argument(
        "models", nargs="*", metavar="MODEL", help=f"default: all of {', '.join(RECIPES)}"
    )
    parser.add_argument(
        "--out", type=Path, default=ZOO, help="folder of the models (default: data/zoo)"
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=None,
        help="folder of text and training state (default: zoo/ in the user's data folder)",
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        help="processor threads; one gives the same numbers on every run",
    )
    parser.add_argument(
        "--stop",
        type=int,
        default=None,
        help="stop each training after this many steps and write no model",
    )
    parser.add_argument(
        "--cards",
        action="store_true",
        help="train nothing, measure what is there and write the cards again",
    )
    parser.add_argument(
        "--tokens",
        action="store_true",
        help="train nothing, write the public-domain text as the file of pieces that ships",
    )
    options = parser.parse_args(arguments)
    try:
        for name in options.models:
            if name not in RECIPES:
                raise unknown("zoo model", name, RECIPES)
        _run(options.models or list(RECIPES), options)
    except BrainLensError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _run(names: list[str], options: argparse.Namespace) -> None:
    import torch

    torch.set_num_threads(options.threads)
    work = options.work or home("zoo")
    report = Report(on_progress=_Printer())
    if options.tokens:
        _tokens(work, report)
        return
    corpus = prepare(work, report=report)
    for name in [] if options.cards else names:
        recipe = RECIPES[name]
        if recipe.kind == "embedding":
            from tools.zoo.glove import train_embedding

            train_embedding(recipe, corpus, options.out / name, report=report)
            continue
        from analysis.models.zoo.train import train
        from tools.zoo.export import SHORT, export

        def keep(step, module, log, recipe=recipe):
            if options.stop is None:
                folder = options.out / f"{recipe.id}-step{step}"
                export(module, recipe, corpus, folder, log, bits=SHORT)

        module, log = train(
            recipe, corpus, work, stop=options.stop, report=report, on_checkpoint=keep
        )
        if options.stop is None:
            bits = SHORT if recipe.kind == "shared" else 10
            export(module, recipe, corpus, options.out / name, log, bits=bits)
    if options.stop is None:
        write_cards(options.out, corpus, report=report)
        if options.out == ZOO:
            document(ZOO, ZOO.parents[1] / "docs" / "zoo.md")


def _tokens(work: Path, report: Report) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(ZOO / "zoo-causal-1m" / "tokenizer.json"))
    path = ZOO.parent / "embedded" / "training-tokens.xz"
    print(f"{write_tokens(work, tokenizer, path, report=report):,} pieces in {path}")


class _Printer:
    """A line whenever a hundred steps are done."""

    def __call__(self, done: int, total: int, what: str, left: float | None) -> None:
        if done % 100 == 0 or done == total:
            print(
                f"{what}: {done} of {total}" + (f", {left / 60:.0f} min left" if left else ""),
                flush=True,
            )


if __name__ == "__main__":
    sys.exit(main())
