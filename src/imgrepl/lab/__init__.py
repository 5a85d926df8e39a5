"""Local regions: real S3 servers on this machine."""
