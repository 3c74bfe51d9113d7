"""Training on several machines: a TrainJob of Kubeflow Trainer."""
