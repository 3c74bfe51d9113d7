"""MLflow: where it is, clients of it, and its database in the state folder."""

from forebay.tracking.address import UI_ADDRESS, is_used, pages_address, shown_uri, tracking_uri, version_page
from forebay.tracking.data_input import DataInput, log_data
from forebay.tracking.database import SCHEMA_REVISION, known_revisions, migrate_database, schema_revision
from forebay.tracking.mlflow_client import CHAMPION, EXPERIMENT, client, experiment_id

__all__ = [
    "CHAMPION",
    "EXPERIMENT",
    "SCHEMA_REVISION",
    "UI_ADDRESS",
    "DataInput",
    "client",
    "experiment_id",
    "is_used",
    "known_revisions",
    "log_data",
    "migrate_database",
    "pages_address",
    "schema_revision",
    "shown_uri",
    "tracking_uri",
    "version_page",
]
