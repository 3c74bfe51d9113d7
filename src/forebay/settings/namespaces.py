"""Where the platform's parts are in a cluster."""

PLATFORM = "forebay"  # MLflow and its stores; also the name of the chart's release
PIPELINES = "kubeflow"  # Kubeflow Pipelines and its steps
