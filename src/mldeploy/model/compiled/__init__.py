"""Models that answer without scikit-learn: numbers, tables and trees."""
