"""Reading times: delta log-likelihood, mixed models, the doctor."""
