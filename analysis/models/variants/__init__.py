"""The same model otherwise: untrained, perturbed, lesioned."""
