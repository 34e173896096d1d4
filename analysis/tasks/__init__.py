"""What a model can do: tasks with an answer of their own, beside which a brain score may stand."""
