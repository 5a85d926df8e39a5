"""Writers of disk image formats."""
