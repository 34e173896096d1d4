"""The verb: a model, a recording and a protocol become a score."""
