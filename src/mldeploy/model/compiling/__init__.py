"""Turn a fitted estimator into a compiled model, and prove that it is the same."""
