"""Files of other programs that are not read here, and what to do with each."""

from __future__ import annotations

__all__ = ["advice"]

_DEVICE = "As a device wrote it: export a table of words (an interest area report), or epochs"
_PICKLE = "Pickles run what they hold and are never opened: save CSV or npz"
_SHEET = "Save it as .xlsx or CSV in the spreadsheet program"
_ELSEWHERE = {
    ".sav .zsav .por": "Save it as CSV in SPSS (values, not labels), or by pandas.read_spss",
    ".rds .rdata .rda": "Write it in R: write.csv(x, 'mine.csv', row.names = FALSE)",
    ".dta .sas7bdat .xpt": "Write it as CSV there, or by pandas.read_stata or pandas.read_sas",
    ".xls .xlsb .xlsm .numbers": _SHEET,
    ".json .jsonl .ndjson": "Write a row per stimulus: pandas.read_json(FILE).to_csv('mine.csv')",
    ".feather .arrow": "Write it as Parquet: pandas.read_feather(FILE).to_parquet('mine.parquet')",
    ".pkl .pickle .joblib .pt .pth": _PICKLE,
    ".edf .asc .bdf .eeg .vhdr .set .cnt": _DEVICE,
    ".h5 .hdf5": "Save an npz: numpy.savez('mine.npz', responses=stimuli_by_targets, text=texts)",
    ".doc .docx .pdf .rtf": "Copy its table into a spreadsheet, and save it as CSV",
}


def advice(suffix: str) -> str:
    """The next step for a file of this suffix.

    Examples
    --------
    >>> advice(".rds")
    "Write it in R: write.csv(x, 'mine.csv', row.names = FALSE)"
    """
    return next(
        (what for ends, what in _ELSEWHERE.items() if suffix in ends.split()), "Save it as CSV"
    )
