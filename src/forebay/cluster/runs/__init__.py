"""`forebay submit`: the compiled pipeline on a Kubeflow Pipelines cluster, followed to its end from here."""
