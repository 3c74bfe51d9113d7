"""Training on several machines: a TrainJob of Kubeflow Trainer's, and the processes that torchrun starts in it."""
