"""From a problem statement to a monitored model: one criterion gates every step."""
