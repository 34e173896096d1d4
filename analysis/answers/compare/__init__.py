"""How do the models rank? Over recordings, two of them in detail, and in published tables, apart."""

from data._lazy import attach

_NAMES = {
    "GAPS": "analysis.answers.compare.words",
    "SCALES": "analysis.answers.compare.words",
    "TABLES": "analysis.answers.compare.tables",
    "as_given": "analysis.answers.compare.words",
    "benchmarks": "analysis.answers.compare.tables",
    "derived": "analysis.answers.compare.ranking",
    "detail": "analysis.answers.compare.pair",
    "known": "analysis.answers.compare.ranking",
    "methods": "analysis.answers.compare.paragraphs",
    "most_results": "analysis.answers.compare.ranking",
    "paired_methods": "analysis.answers.compare.paragraphs",
    "published": "analysis.answers.compare.tables",
    "rank": "analysis.answers.compare.ranking",
    "rank_interval": "analysis.answers.compare.ranking",
    "told_apart": "analysis.answers.compare.ranking",
    "told_briefly": "analysis.answers.compare.words",
}
__all__ = list(_NAMES)
__getattr__, __dir__ = attach(__name__, _NAMES)
