"""Files as experiment software writes them, of the same simulated experiment."""

import json
import zipfile

import numpy as np
import pandas as pd

SENTENCES = {
    ("1", "easy"): "The cat, it seems, sat on a mat.",
    ("1", "hard"): "The cat, it seems, sat on an idea.",
    ("2", "easy"): "Some birds fly south in the autumn.",
    ("2", "hard"): "Some birds fly south in the washer.",
    ("3", "easy"): 'He said "no" and left the room.',
    ("3", "hard"): 'He said "no" and left the planet.',
}


def readings(people=6, seed=0):
    """person, item, condition, word_position, text, rt, correct: every person reads each item in one condition."""
    rng, rows = np.random.default_rng(seed), []
    for p in range(people):
        for k, item in enumerate(rng.permutation(["1", "2", "3"])):
            condition = ("easy", "hard")[(p + int(item)) % 2]
            right = float(p != people - 1)
            for place, word in enumerate(SENTENCES[item, condition].split(), 1):
                rt = int(300 + 20 * p + 10 * len(word) + rng.integers(0, 80))
                rows.append((f"s{p}", k + 1, item, condition, place, word, rt, right))
    names = ["person", "trial", "item", "condition", "word_position", "text", "rt", "correct"]
    return pd.DataFrame(rows, columns=names)


def _escaped(text):
    return text.replace(",", "%2C")


def ibex(path, table):
    """Ibex as of old: DashedSentence and Question, the group of the item, one header before each kind of row."""
    head = ["Time results were received", "MD5 hash of participant's IP address", "Controller name", "Item number",
            "Element number", "Type", "Group"]  # fmt: skip
    words = [*head, "Word number", "Word", "Reading time", "Newline?", "Sentence (or sentence MD5)"]
    asked = [*head, "Question (NULL if none)", "Answer", "Whether or not answer was correct (NULL if N/A)",
             "Time taken to answer"]  # fmt: skip

    def header(names):
        comments = [f"# {n}. {name}." for n, name in enumerate(names, 1)]
        return ["#", "# Columns below this comment are as follows:", *comments]

    lines = [
        "# Results on Sunday May 02 2021 16:42:49 UTC",
        "# USER AGENT: Mozilla/5.0",
        "# Design number was non-random = 2",
    ]
    for n, (_, own) in enumerate(table.groupby("person", sort=False)):
        who = f"{1600000000 + n},{n:032x}"
        for _, trial in own.groupby("trial"):
            first = trial.iloc[0]
            row = (
                f"{who},DashedSentence,{first['trial'] + 5},0,{first['condition']},{first['item']}"
            )
            sentence = _escaped(" ".join(trial["text"]))
            lines += header(words)
            lines += [
                f"{row},{w.word_position},{_escaped(w.text)},{w.rt},False,{sentence}"
                for w in trial.itertuples()
            ]
            lines += header(asked)
            lines.append(
                f"{row.replace('DashedSentence', 'Question')},Was it so?,Yes,{int(first['correct'])},1200"
            )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def pcibex(path, table):
    """PCIbex: logged columns, a header that names only the columns that change, rows of other elements between."""
    head = ["Results reception time", "MD5 hash of participant's IP address", "Controller name", "Order number of item",
            "Inner element number", "Label", "Latin Square Group", "PennElementType", "PennElementName", "Parameter", "Value",
            "EventTime", "participant", "item", "condition"]  # fmt: skip
    lines = [
        "# Results on Sunday May 02 2021 16:42:49 UTC",
        "#",
        "# Columns below this comment are as follows:",
    ]
    lines += [f"# {n}. {name}." for n, name in enumerate([*head, "Comments"], 1)]
    for n, (who, own) in enumerate(table.groupby("person", sort=False)):
        for number, trial in own.groupby("trial"):
            first = trial.iloc[0]
            start = f"{1600000000 + n},{n:032x},PennController,{number + 3},0,experiment,NULL"
            end = f"{who},{first['item']},{first['condition']}"
            lines.append(f"{start},PennController,7,_Trial_,Start,1600000000123,{end},NULL")
            lines += [f"# {16 + k}. {name}." for k, name in enumerate(["Reading time", "Newline?", "Sentence (or sentence MD5)",
                                                                       "Comments"])]  # fmt: skip
            lines += [
                f"{start},Controller-DashedSentence,DashedSentence,{w.word_position},{_escaped(w.text)},1600000000456,{end},"
                f"{w.rt},false,{n:032x},Any addtional parameters were appended as additional columns"
                for w in trial.itertuples()
            ]
            lines.append("# 16. Comments.")
            lines.append(f"{start},PennController,7,_Trial_,End,1600000009999,{end},NULL")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def pavlovia(folder, table):
    """One file per person, times in seconds, rows of instructions, one row per word."""
    folder.mkdir(exist_ok=True)
    for who, own in table.groupby("person", sort=False):
        made = pd.DataFrame({
            "participant": who, "session": "001", "trials.thisN": own["trial"] - 1, "item": own["item"],
            "condition": own["condition"], "word": own["text"], "key_resp.rt": own["rt"] / 1000, "key_resp.corr": own["correct"],
            "OS": "Win32", "frameRate": 60.0,
        })  # fmt: skip
        blank = pd.DataFrame({"participant": [who], "session": ["001"], "OS": ["Win32"]})
        pd.concat([blank, made, blank]).to_csv(folder / f"{who}_spr_2024-01-01.csv", index=False)
    return folder


def listed(path, table):
    """jsPsych: a row per sentence, marked up, its times in a list."""
    rows = [
        {"subject": who, "trial_index": n, "item": own["item"].iloc[0], "condition": own["condition"].iloc[0],
         "stimulus": f"<p>{' '.join(own['text'])}</p>", "rt": json.dumps([int(t) for t in own["rt"]])}
        for (who, n), own in table.groupby(["person", "trial"], sort=False)
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def prompts(path, table, *, zipped=False):
    """A transcript per person with times between << and >>."""
    lines = []
    for who, own in table.groupby("person", sort=False):
        text = "You will read each sentence word by word.\n"
        for n, trial in own.groupby("trial"):
            text += f"\nTrial {n}:\n"
            text += "".join(
                f"  Word {w.word_position}: ‘{w.text}’   <<{w.rt}>> ms\n"
                for w in trial.itertuples()
            )
        lines.append(
            json.dumps(
                {"text": text, "experiment": "spr", "participant_id": who, "age": 30},
                ensure_ascii=False,
            )
        )
    content = "\n".join(lines) + "\n"
    if not zipped:
        path.write_text(content, encoding="utf-8")
        return path
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("prompts.jsonl", content)
    return path


def codebook(path, table):
    """The tables of PsychLing-101: participant_id, stimulus, rt, accuracy."""
    names = {
        "person": "participant_id",
        "text": "stimulus",
        "correct": "accuracy",
        "trial": "trial_order",
        "item": "item_id",
    }
    table.rename(columns=names).to_csv(path, index=False)
    (path.parent / "CODEBOOK.csv").write_text(
        "Recommended Column Name,Description\nparticipant_id,who\n"
    )
    return path
