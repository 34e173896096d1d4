"""Reading times: delta log-likelihood, mixed models, the doctor."""

from data._lazy import attach

_NAMES = {
    "MixedFit": "analysis.reading.lmm",
    "coefficient_intervals": "analysis.reading.satterthwaite",
    "likelihood_ratio": "analysis.reading.lmm",
    "mixed_model": "analysis.reading.lmm",
    "settled": "analysis.reading.lmm",
}
__all__ = list(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
