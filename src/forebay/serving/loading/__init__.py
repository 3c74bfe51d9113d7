"""From a folder to a model that answers: checked, tried, and never in the way of the others."""
