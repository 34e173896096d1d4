"""Small files of exactly the layout of the public assemblies, as new and old versions of xarray wrote them."""

from __future__ import annotations

import numpy as np
import xarray as xr


def pereira(rng, voxels=4, subjects=("018", "288", "296")) -> xr.DataArray:
    """Two experiments of two topics each; the last subject did the second experiment only."""
    rows = []
    for experiment, topics in (
        ("243sentences", ("beekeeping", "opera")),
        ("384sentences", ("Animal", "Tool")),
    ):
        number = 0
        for topic in topics:
            for index in (1, 2):
                for sentence in range(3):
                    rows.append(
                        (
                            experiment,
                            number,
                            f"{topic} {index} has sentence {sentence}.",
                            index,
                            f"{topic}_{index}",
                            topic,
                        )
                    )
                    number += 1
    columns = list(zip(*rows))
    names = (
        "experiment",
        "stimulus_num",
        "sentence",
        "passage_index",
        "passage_label",
        "passage_category",
    )
    presentation = dict(zip(names, (np.array(c) for c in columns)))
    presentation["stimulus"] = presentation["sentence"]
    presentation["stimulus_id"] = np.array([f"{e}.{n}" for e, n in zip(columns[0], columns[1])])
    presentation["story"] = np.array([f"{e}.{c}" for e, c in zip(columns[0], columns[5])])
    n = len(subjects) * voxels
    who = np.repeat(np.array(subjects), voxels)
    number = np.tile(np.arange(voxels), len(subjects))
    strategies = np.array([np.nan, "HminusE", "FIXminusH", "HminusE"], dtype=object)
    neuroid = {
        "subject": who,
        "voxel_num": number,
        "atlas": np.full(n, "language"),
        "filter_strategy": strategies[np.arange(n) % 4],
        "atlas_selection": number + 1,
        "atlas_selection_lower": np.full(n, 90),
        "roi": np.array(["LH_IFG", "LH_PostTemp"])[np.arange(n) % 2],
        "indices_in_3d": number * 7,
        **{f"col_to_coord_{i}": number + i for i in (1, 2, 3)},
        "neuroid_id": np.array([f"{s}.{v}" for s, v in zip(who, number)]),
    }
    values = rng.standard_normal((len(rows), n))
    values[np.ix_(presentation["experiment"] == "243sentences", who == subjects[-1])] = np.nan
    return _array(values, presentation, neuroid)


def fedorenko(rng) -> xr.DataArray:
    sentences = ["ALEX WAS TIRED SO HE TOOK A NAP", "THEN I SAW THAT I'M LATE AGAIN TODAY"]
    words = [w for s in sentences for w in s.split()]
    n = len(words)
    presentation = {
        "stimulus_id": np.arange(n),
        "stimulus": np.array(words),
        "word": np.array(words),
        "word_num": np.tile(np.arange(8), 2),
        "sentence_id": np.repeat([0, 1], 8),
    }
    neuroid = {
        "electrode": np.arange(1, 6),
        "neuroid_id": np.arange(5),
        "subject_UID": np.array([1, 1, 1, 2, 2]),
    }
    return _array(rng.standard_normal((n, 5)), presentation, neuroid)


def blank(rng) -> xr.DataArray:
    """Two stories, twelve sentences in the first, rows sorted by their ids: ``Aqua.10.0`` stands before ``Aqua.2.0``."""
    parts = [("Aqua", 0, 0, "A clear day it "), ("Aqua", 0, 1, "was and out "), ("Aqua", 0, 2, "")]
    parts += [("Aqua", number, 0, f"This is sentence {number}. ") for number in range(1, 12)]
    parts += [("Boar", 0, 0, "Once there "), ("Boar", 0, 1, "lived a boar.")]
    rows = sorted(
        (f"{story}.{sentence}.{part}", 2.0 * at)
        for at, (story, sentence, part, _) in enumerate(parts)
    )
    stories, sentences, numbers, texts = zip(*(parts[int(time / 2)] for _, time in rows))
    presentation = {
        "stimulus_id": np.array([id for id, _ in rows]),
        "stimulus": np.array(texts, dtype=object),
        "story": np.array(stories),
        "stimulus_sentence": np.array(texts, dtype=object),
        "sentence_number_in_story": np.array(sentences),
        "part_number_in_sentence": np.array(numbers),
        "timepoint_value": np.array([time for _, time in rows]),
    }
    people, areas = np.repeat(["061", "085"], 2), np.tile(["01_LH_PostTemp", "03_LH_IFG"], 2)
    neuroid = {
        "subject_id": people,
        "fROI_area": areas,
        "fROI_index": np.tile([0, 2], 2),
        "region": np.full(4, "language"),
        "neuroid_id": np.array([f"{one}.{area}" for one, area in zip(people, areas)]),
    }
    return _array(rng.standard_normal((len(rows), 4)), presentation, neuroid)


def futrell(rng) -> xr.DataArray:
    """Two stories; sentences and stimuli are counted through the whole corpus, words inside their story."""
    words = np.array(["If", "you", "went.", "Then", "stay.", "Then", "come", "back", "to", "us"])
    presentation = {
        "word": words,
        "word_core": np.array([w.strip(".").lower() for w in words]),
        "story_id": np.repeat([1, 2], 5),
        "word_id": np.tile(np.arange(1, 6), 2),
        "word_within_sentence_id": np.array([1, 2, 3, 1, 2, 1, 2, 3, 4, 5]),
        "sentence_id": np.repeat([1, 2, 3], [3, 2, 5]),
        "stimulus_id": np.arange(1, 11),
    }
    subject = {
        "subject_id": np.array(["A1", "B2", "C3"]),
        "correct": np.array([6, 5, 3]),
        "WorkTimeInSeconds": np.array([900, 800, 100]),
    }
    values = 300 + 50 * rng.standard_normal((10, 3))
    values[:5, 1] = np.nan
    return _array(values, presentation, subject, dim="subject")


def tuckute(rng) -> xr.DataArray:
    n = 12
    presentation = {
        "stimulus_id": np.arange(n),
        "stimulus": np.array([f"Sentence number {i} is here." for i in range(n)]),
        "cond": np.array(["B"] * n),
        "cond_approach": np.array(["B_B"] * n),
    }
    neuroid = {
        "neuroid_id": np.array([1]),
        "subject_UID": np.array(["mean"]),
        "roi": np.array(["lang_LH_netw"]),
    }
    return _array(rng.standard_normal((n, 1)), presentation, neuroid)


def ceiling(rng) -> xr.DataArray:
    """One number per voxel, as the published ceilings hold them."""
    array = pereira(rng).isel(presentation=0, drop=True)
    return array.drop_vars(
        [name for name, values in array.coords.items() if values.dims != ("neuroid",)]
    )


MAKERS = {
    "pereira2018-language": pereira,
    "pereira2018-auditory": pereira,
    "fedorenko2016-language": fedorenko,
    "blank2014-froi": blank,
    "futrell2018": futrell,
    "tuckute2024-language": tuckute,
}


def _array(values, presentation, other, dim="neuroid") -> xr.DataArray:
    coords = {
        **{k: ("presentation", v) for k, v in presentation.items()},
        **{k: (dim, v) for k, v in other.items()},
    }
    return xr.DataArray(values, dims=("presentation", dim), coords=coords, name="data")


def write_new(array: xr.DataArray, path, engine="h5netcdf"):
    """As xarray of today writes it: strings with missing values become empty strings."""
    plain = array.assign_coords(
        {
            k: (v.dims, [("" if isinstance(x, float) and x != x else x) for x in v.values])
            for k, v in array.coords.items()
            if v.dtype.kind == "O"
        }
    )
    plain.to_netcdf(path, engine=engine)
    return path


def write_2022(array: xr.DataArray, path):
    """As xarray of 2022 wrote it: variable-length strings, missing ones as 'nan', coordinates listed in an attribute."""
    import netCDF4

    with netCDF4.Dataset(path, "w", format="NETCDF4") as file:
        for dim, size in array.sizes.items():
            file.createDimension(dim, size)
        names = []
        for name, values in array.coords.items():
            data = values.values
            if data.dtype.kind in "OUS":
                variable = file.createVariable(name, str, values.dims)
                for i, value in enumerate(data):
                    variable[i] = "nan" if isinstance(value, float) else str(value)
            else:
                variable = file.createVariable(name, data.dtype, values.dims)
                variable[:] = data
            names.append(name)
        main = file.createVariable(
            "__xarray_dataarray_variable__", "f8", array.dims, fill_value=np.nan
        )
        main[:] = array.values
        main.coordinates = " ".join(names)
    return path
