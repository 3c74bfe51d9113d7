"""The model repository: bundles are loaded and verified, and a model that fails or is slow holds back no other."""
