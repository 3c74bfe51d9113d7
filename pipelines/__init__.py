"""The pipeline that wires the components, and its compiled form."""
