"""The stages of one version's life, a file each."""
