"""Install the platform on a cluster and remove it: a plan made from facts, then kubectl, helm and kind commands."""
