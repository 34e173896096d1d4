"""Static embeddings: forms of files, mean over the stimulus's own words, words without a vector."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.models import catalog
from analysis.models.files.vectors import VectorFile
from analysis.models.static import random_vectors, words_of
from analysis.text.passages import Passage
from data.errors import BrainLensError

WORDS = ["the", "cat", "n't", "do", "sat", ".", "new york"]
TABLE = np.arange(21, dtype=np.float32).reshape(7, 3) / 4 - 1


@pytest.fixture(params=["glove.txt", "word2vec.txt", "word2vec.bin", "vectors.npy", "folder"])
def path(request, tmp_path, clean_home):
    """The same seven vectors in each form."""
    file = tmp_path / request.param
    lines = [f"{word} " + " ".join(str(v) for v in row) for word, row in zip(WORDS, TABLE)]
    if request.param == "glove.txt":
        file.write_text("\n".join(lines) + "\n")
    elif request.param == "word2vec.txt":
        file.write_text("\n".join(["7 3", *lines]) + "\n")
    elif request.param == "word2vec.bin":
        file.write_bytes(
            b"7 3\n"
            + b"".join(
                w.replace(" ", "_").encode() + b" " + row.tobytes() + b"\n"
                for w, row in zip(WORDS, TABLE)
            )
        )
    elif request.param == "vectors.npy":
        np.save(file, TABLE)
        (tmp_path / "words.txt").write_text("\n".join(WORDS) + "\n")
    else:
        file.mkdir()
        np.save(file / "vectors.npy", TABLE)
        (file / "words.txt").write_text("\n".join(WORDS) + "\n")
    return file


def read(model, text, spans):
    ((rows, (values,)),) = model.read([Passage(text, tuple(spans), tuple(range(len(spans))))], [0])
    assert rows.tolist() == list(range(len(spans)))
    return values


def test_every_form_gives_the_mean_over_the_stimulus_own_words(path):
    model = catalog.load(str(path))
    assert model.widths == (3,) and model.layer_number("projection") == 0
    text = "The cat. Cat sat, zzz."
    values = read(model, text, [(0, 8), (9, 22)])
    np.testing.assert_allclose(
        values, [TABLE[[0, 1]].mean(0), (TABLE[1] + TABLE[4]) / 3], rtol=1e-6
    )
    assert (
        model.missing == {"zzz": 1}
        and model.note() == "1 of 5 words have no vector and count as zeros"
    )


def test_context_changes_nothing_and_pooling_is_honoured(path):
    model = catalog.load(str(path))
    ((_, (with_context,)),) = model.read(
        [Passage("sat the cat", ((4, 11),), (0,))], [0], pooling="sum"
    )
    np.testing.assert_allclose(with_context[0], TABLE[0] + TABLE[1])
    with pytest.raises(BrainLensError, match=r"Unknown pooling"):
        list(model.read([], [0], pooling="median"))
    with pytest.raises(BrainLensError, match=r"Unknown layer"):
        list(model.read([], [1]))


def test_clitics_are_looked_up_by_their_parts(path):
    np.testing.assert_allclose(catalog.load(str(path)).vectors(["don’t"])[0], TABLE[[3, 2]].mean(0))


def test_fingerprints_follow_content_and_variant(path, tmp_path):
    first, again, other = (
        catalog.load(str(path) + suffix).fingerprint for suffix in ("", "", "@untrained:permute:0")
    )
    assert first == again != other


def test_untrained_variants_of_an_embedding(path):
    trained = catalog.load(str(path))
    permuted = catalog.load(f"{path}@untrained:permute:3")
    assert not np.array_equal(permuted.vectors(WORDS), trained.vectors(WORDS))
    rows = {tuple(row) for row in np.asarray(trained.file.vectors)}
    assert {tuple(row) for row in np.asarray(permuted._table())} == rows
    random = catalog.load(f"{path}@untrained:init:3")
    np.testing.assert_array_equal(random.vectors(["cat"]), random_vectors(["cat"], 3, seed=3))
    with pytest.raises(BrainLensError, match=r"no blocks"):
        catalog.load(f"{path}@lesion:language:1:0")


@pytest.mark.parametrize(
    "content, says",
    [("the 1 2 3\ncat 1 2\n", "line 2"), ("the a b c\n", "line 1"), ("", "no word vectors")],
)
def test_a_bad_text_file_names_the_line_and_leaves_nothing(tmp_path, clean_home, content, says):
    (tmp_path / "bad.txt").write_text(content)
    with pytest.raises(BrainLensError, match=says):
        VectorFile(tmp_path / "bad.txt")
    assert not list((clean_home / "cache" / "embeddings").iterdir())


def test_a_truncated_binary_file_says_so(tmp_path, clean_home):
    (tmp_path / "short.bin").write_bytes(b"5 3\nthe " + TABLE[0].tobytes())
    with pytest.raises(BrainLensError, match=r"ends after 1 of 5 words"):
        VectorFile(tmp_path / "short.bin")


def test_vectors_without_their_words_and_of_a_wrong_shape(tmp_path):
    np.save(tmp_path / "a.npy", TABLE)
    with pytest.raises(BrainLensError, match=r"without its words"):
        VectorFile(tmp_path / "a.npy")
    (tmp_path / "words.txt").write_text("one\ntwo\n")
    with pytest.raises(BrainLensError, match=r"2 words for 7 vectors"):
        VectorFile(tmp_path / "a.npy").index  # noqa: B018 - the property reads the file
    np.save(tmp_path / "b.npy", TABLE[0])
    with pytest.raises(BrainLensError, match=r"one row of numbers per word"):
        VectorFile(tmp_path / "b.npy").vectors  # noqa: B018


def test_random_embedding_is_one_vector_per_type_and_the_same_everywhere():
    model, other = catalog.load("random-16"), catalog.load("random-16@untrained:init:1")
    a, b, c = model.vectors(["Cat", "cat", "dog"])
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c) and not np.array_equal(a, other.vectors(["cat"])[0])
    assert (
        model.card.cls == "random"
        and model.n_layers == 1
        and other.id == "random-16@untrained:init:1"
    )
    np.testing.assert_allclose(
        model.vectors(["cat"])[0][:3], [0.098964095, 0.14199543, 0.59959805], rtol=1e-6
    )  # for ever
    values = random_vectors([str(i) for i in range(200)], 50)
    assert values.min() >= 0 and values.max() < 1 and abs(values.mean() - 0.5) < 0.01


@pytest.mark.parametrize(
    "name, says", [("random-0", "cannot be made"), ("random-8@untrained:permute:0", "no variant")]
)
def test_random_embeddings_that_cannot_be(name, says):
    with pytest.raises(BrainLensError, match=says):
        catalog.load(name)


def test_words():
    assert words_of('"Well," she said -- it isn’t well-known (U.S. 1945).') == [
        "Well",
        "she",
        "said",
        "it",
        "isn’t",
        "well-known",
        "U.S",
        "1945",
    ]
