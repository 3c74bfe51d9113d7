"""What a cluster's steps hand work to: a SparkApplication for ingest, a TrainJob for train."""

from dataclasses import dataclass, field
from pathlib import Path

from forebay.cluster.timeouts import ClusterTimeouts
from forebay.contracts.decoded_images import ImageFormat
from forebay.ingest.decode_result import DecodeResult
from forebay.ingest.result import IngestResult
from forebay.settings import IngestConfig, TrainConfig
from forebay.state import StepLog
from forebay.train.result import TrainResult


@dataclass(frozen=True)
class SparkApplicationExecutor:
    """Reads a source with executors of the Spark Operator; see `forebay.ingest.result.IngestExecutor`."""

    timeouts: ClusterTimeouts = field(default_factory=ClusterTimeouts)

    def read(self, out: Path, config: IngestConfig, log: StepLog) -> IngestResult:
        """As `IngestExecutor.read`."""
        from forebay.cluster.spark.ingest_with_executors import read_with_executors

        return read_with_executors(out, config, log, self.timeouts)

    def decode(self, out: Path, config: IngestConfig, wanted: ImageFormat, log: StepLog) -> DecodeResult:
        """As `IngestExecutor.decode`."""
        from forebay.cluster.spark.ingest_with_executors import decode_with_executors

        return decode_with_executors(out, config, wanted, log, self.timeouts)


@dataclass(frozen=True)
class TrainJobExecutor:
    """Trains on several machines through Kubeflow Trainer; see `forebay.train.result.TrainExecutor`."""

    timeouts: ClusterTimeouts = field(default_factory=ClusterTimeouts)

    def train(self, dataset: Path, out: Path, config: TrainConfig, log: StepLog) -> TrainResult:
        """As `TrainExecutor.train`."""
        from forebay.cluster.training.train_on_nodes import fit_on_nodes

        return fit_on_nodes(dataset, out, config, log, self.timeouts)
