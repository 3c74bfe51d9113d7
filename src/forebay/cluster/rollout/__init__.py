"""Serving a registered model version through KServe: rolled out, proved, promoted, or put back."""
