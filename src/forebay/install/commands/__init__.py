"""kubectl, helm and kind: the only modules that start them."""
