"""The MLflow run of a study, above those of its trials. Where MLflow cannot be written, the search goes on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forebay import tracking
from forebay.state import Home
from forebay.state.mlflow_errors import explain_mlflow_error
from forebay.train.mlflow_run import PARENT_TAG


@dataclass(frozen=True, kw_only=True)
class ParentRun:
    """The run above the trials; `run_id` is empty where there is none."""

    home: Home
    run_id: str
    warn: Callable[[str], None]

    @classmethod
    def open(
        cls, home: Home, run_id: str, name: str, tags: Mapping[str, str], parameters: Mapping[str, Any],
        warn: Callable[[str], None],
    ) -> "ParentRun":  # fmt: skip
        """The run of a study, which the first search begins.

        Args:
            run_id: of the run that an earlier search began; empty for none.
            name: what a person calls it.
            parameters: what is searched.
        """
        try:
            client = tracking.client(home)
            if run_id:
                client.update_run(run_id, status="RUNNING")
            else:
                experiment = tracking.experiment_id(client, home)
                run_id = str(client.create_run(experiment, tags={**tags, "mlflow.runName": name}).info.run_id)
                for key, value in parameters.items():
                    client.log_param(run_id, key, value)
        except Exception as error:  # a store or a network may raise anything
            warn(f"MLflow could not be written; the search is not affected. {explain_mlflow_error(error)}")
            run_id = ""
        return cls(home=home, run_id=run_id, warn=warn)

    @property
    def child_tags(self) -> dict[str, str]:
        """The tags that put a trial's run below this one."""
        return {PARENT_TAG: self.run_id} if self.run_id else {}

    def finish(
        self, status: str, metrics: Mapping[str, float], tags: Mapping[str, str], files: list[Path],
        children: Mapping[str, Mapping[str, str]],
    ) -> None:  # fmt: skip
        """End the run.

        Args:
            status: FINISHED, FAILED or KILLED.
            metrics: of the best trial.
            files: go into its artifacts.
            children: tags by id of a trial's run.
        """
        if not self.run_id:
            return
        try:
            client = tracking.client(self.home)
            for name, value in metrics.items():
                client.log_metric(self.run_id, name, value)
            for path in files:
                client.log_artifact(self.run_id, str(path))
            for owner, given in {self.run_id: tags, **children}.items():
                for name, text in given.items():
                    client.set_tag(owner, name, text)
            client.set_terminated(self.run_id, status)
        except Exception as error:
            self.warn(f"MLflow could not be written; the search is not affected. {explain_mlflow_error(error)}")
