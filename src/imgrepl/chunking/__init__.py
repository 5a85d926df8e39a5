"""Cutting a disk into chunks."""
