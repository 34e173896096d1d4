"""Words over tokens, for every kind of tokenizer and every kind of text."""

from __future__ import annotations

import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from analysis.text.alignment import align, encode, match_pieces, partition, token_table
from analysis.text.passages import Passage, words
from data.errors import BrainLensError

sys.path.insert(0, str(Path(__file__).parents[1]))
import tiny_models

KINDS = {
    "byte": "gpt2", "byte in front": "opt", "WordPiece": "bert", "SentencePiece": "xlm-roberta", "byte fall-back": "llama",
    "word end": "openai-gpt",
    "CTRL": "ctrl", "XLM": "xlm",
}  # fmt: skip
FULL = ("byte", "byte in front", "byte fall-back")  # kinds that spell every character

TEXTS = {
    "plain": "The old lighthouse keeper climbed the stairs.",
    "clitics": "He didn't mind what's there; they'd sailed, weren't they?",
    "punctuation": '"What\'s that?" (asked the girl) -- well-known: 15 coins!',
    "upper case": "ALEX WAS TIRED SO HE TOOK A NAP",
    "spaces": "The  old   keeper\tclimbed  ",
    "composed": unicodedata.normalize("NFC", "A naïve café owner"),
    "decomposed": unicodedata.normalize("NFD", "A naïve café owner"),
}
HARD = {
    "emoji": "The dog 🐕 slept 👩‍🚀 well",
    "Chinese": "The 灯塔 keeper said 你好 again",
    "quotes": "“What’s that?” she asked…",
    "one letter": "I",
}


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    root = tmp_path_factory.mktemp("tokenizers")

    def get(kind, made={}):  # noqa: B006 - one cache for the module
        if kind not in made:
            folder = root / KINDS[kind]
            folder.mkdir()
            made[kind] = tiny_models._TOKENIZERS[tiny_models._KIND[KINDS[kind]]](folder, 300, 64)
        return made[kind]

    return get


def plain(text):
    flat = unicodedata.normalize("NFD", text).lower()
    return "".join(c for c in flat if not unicodedata.combining(c) and not c.isspace())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TEXTS)
def test_every_token_belongs_to_one_word_and_spells_a_part_of_it(kind, name, tokenizers):
    text, tokenizer = TEXTS[name], tokenizers(kind)
    coded = encode(tokenizer, text)
    ranges = partition(text, words(text), coded.offsets)
    assert ranges[0, 0] == 0
    np.testing.assert_array_equal(ranges[1:, 0], ranges[:-1, 1])  # no token between two words
    assert len(coded.ids) - ranges[-1, 1] <= 2  # at most the white space at the end
    for (a, b), (first, last) in zip(words(text), ranges, strict=True):
        spelled = "".join(
            text[s:e].strip()
            for s, e in dict.fromkeys(map(tuple, coded.offsets[first:last].tolist()))
        )
        assert plain(spelled) == plain(text[a:b])


@pytest.mark.parametrize("kind", FULL)
@pytest.mark.parametrize("name", HARD)
def test_characters_of_several_tokens(kind, name, tokenizers):
    text, tokenizer = HARD[name], tokenizers(kind)
    coded = encode(tokenizer, text)
    ranges = partition(text, words(text), coded.offsets)
    assert ranges[0, 0] == 0 and ranges[-1, 1] == len(coded.ids)
    np.testing.assert_array_equal(ranges[1:, 0], ranges[:-1, 1])
    assert (ranges[:, 1] > ranges[:, 0]).all()


@pytest.mark.parametrize("kind", ["WordPiece", "SentencePiece"])
@pytest.mark.parametrize("name", HARD)
def test_unknown_characters_keep_their_place(kind, name, tokenizers):
    text = HARD[name]
    ranges = align(text, words(text), encode(tokenizers(kind), text).offsets)
    assert (ranges[:, 1] > ranges[:, 0]).all()


def test_a_word_the_tokenizer_drops_is_named(tokenizers):
    text = "The \u200b\u200b keeper"  # zero-width spaces only: WordPiece removes them
    with pytest.raises(BrainLensError, match=r"No token covers the word '\\u200b\\u200b' in 'The "):
        align(text, words(text), encode(tokenizers("WordPiece"), text).offsets)


def test_a_stimulus_of_several_words_is_checked_word_by_word(tokenizers):
    text = "The \u200b keeper"
    with pytest.raises(BrainLensError, match="No token covers the word"):
        align(text, [(0, len(text))], encode(tokenizers("WordPiece"), text).offsets)


def test_words_that_share_a_token_are_an_error_for_surprisal_and_shared_for_activations():
    offsets = np.array([[0, 3], [3, 6]])
    assert align("abcdef", [(0, 2), (2, 6)], offsets).tolist() == [[0, 1], [0, 2]]
    with pytest.raises(BrainLensError, match="'ab' and 'cdef' share a token"):
        partition("abcdef", [(0, 2), (2, 6)], offsets)


def test_white_space_tokens_go_with_what_follows():
    text = "ab   cd "
    offsets = np.array([[0, 2], [2, 4], [4, 7], [7, 8]])  # "ab", two spaces, " cd", a last space
    assert partition(text, words(text), offsets).tolist() == [[0, 1], [1, 3]]


# ---- tokenizers without offsets -----------------------------------------------------------------------------------------
def test_pieces_are_matched_in_order():
    text = "Café  didn't — cost"
    offsets = match_pieces(
        text, ["caf", "e</w>", "did</w>", "n</w>", "&apos;t</w>", "—</w>", "co@@", "st"]
    )
    assert [text[a:b] for a, b in offsets] == ["Caf", "é", "did", "n", "'t", "—", "co", "st"]


def test_an_unknown_piece_takes_what_lies_before_the_next():
    text = "one 灯塔keeper two"
    offsets = match_pieces(text, ["one", "<unk>", "keep@@", "er", "<unk>"], unknown="<unk>")
    assert [text[a:b] for a, b in offsets] == ["one", "灯塔", "keep", "er", "two"]


def test_a_piece_that_is_not_there_names_the_word():
    with pytest.raises(BrainLensError, match="'cat' does not match the word 'dog'"):
        match_pieces("the dog", ["the", "cat"])
    with pytest.raises(BrainLensError, match="No token matches the word 'slept'"):
        match_pieces("the dog slept", ["the", "dog"])


# ---- the table ----------------------------------------------------------------------------------------------------------
def test_the_table_shows_tokens_words_and_stimuli(tokenizers):
    passage = Passage("The keeper didn't mind. Nobody knew.", ((0, 23), (24, 36)), (7, 3))
    table = token_table(tokenizers("byte"), passage)
    assert "".join(table.text).replace(" ", "") == passage.text.replace(" ", "")
    assert table.word.tolist() == sorted(table.word) and table.word.max() == 5
    assert table.groupby("stimulus").text.apply("".join).str.strip().to_dict() == {
        7: "The keeper didn't mind.",
        3: "Nobody knew.",
    }
    assert set(token_table(tokenizers("CTRL"), "The keeper").stimulus) == {0}
